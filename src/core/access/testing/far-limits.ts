/** What Redis does, in memory: it works, fails or hangs as a test says. For the tests of buckets and of the limits of callers. */
import type { BucketRule, SharedLimits, Taken } from '../../../ports/shared-limits.ts';
import type { SimulatedClock } from '../../simulated-clock.ts';
import { TokenBucket } from '../token-bucket.ts';

export class FarLimits implements SharedLimits {
  readonly #clock: SimulatedClock;
  readonly #buckets = new Map<string, TokenBucket>();
  readonly days = new Map<string, number>();
  calls = 0;
  mode: 'works' | 'fails' | 'hangs' = 'works';

  constructor(clock: SimulatedClock) {
    this.#clock = clock;
  }

  async take(name: string, wanted: number, rule: BucketRule): Promise<Taken> {
    await this.#answer();
    const nowMs = this.#clock.now();
    const bucket = this.#buckets.get(name) ?? new TokenBucket(rule, nowMs);
    this.#buckets.set(name, bucket);
    let granted = 0;
    while (granted < wanted && bucket.take(nowMs)) granted++;
    return { granted, remaining: bucket.remaining(nowMs), retryAfterMs: bucket.retryAfterMs(nowMs) };
  }

  async addToDay(counter: string, day: number, count: number): Promise<number> {
    await this.#answer();
    const name = `${counter} ${day}`;
    const total = (this.days.get(name) ?? 0) + count;
    this.days.set(name, total);
    return total;
  }

  async #answer(): Promise<void> {
    this.calls++;
    if (this.mode === 'fails') throw new Error('away');
    if (this.mode === 'hangs') await new Promise(() => {});
  }
}
