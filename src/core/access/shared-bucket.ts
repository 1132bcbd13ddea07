/**
 * A token bucket that all servers share, over a wire. Tokens are taken ahead in small blocks, the next one while the last is half used,
 * so that nearly every request is decided at once. While the other side is away or slow the bucket of this process decides: the
 * limit is then per process, and no request fails for that reason.
 */
import type { Clock } from '../../ports/clock.ts';
import type { BucketRule, SharedLimits, Taken } from '../../ports/shared-limits.ts';
import { type RateSource, TokenBucket } from './token-bucket.ts';

/** Longest wait for a block. */
const waitMs = 50;
/** How long the other side is left alone after it failed. */
const awayMs = 1000;
/** Tokens taken ahead and not used within this time are lost, so that they cannot add up to a second burst. */
const keepMs = 1000;

/** 50 ms worth, at least 16, but no more than an eighth of the bucket: what one server holds the others cannot use. */
export function blockSize({ ratePerSecond, burst }: BucketRule): number {
  return Math.max(1, Math.floor(Math.min(burst / 8, Math.max(16, ratePerSecond / 20))));
}

export class SharedBucket implements RateSource {
  readonly #name: string;
  readonly #rule: BucketRule;
  readonly #shared: Pick<SharedLimits, 'take'>;
  readonly #clock: Clock;
  readonly #block: number;
  /** Decides while the other side is away; counts along while it is not, so that it goes on where it was. */
  readonly #local: TokenBucket;
  #credits = 0;
  #creditsUntilMs = 0;
  #far: Taken;
  #farAtMs: number;
  #awayUntilMs = Number.NEGATIVE_INFINITY;
  #emptyUntilMs = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  constructor(name: string, rule: BucketRule, shared: Pick<SharedLimits, 'take'>, clock: Clock) {
    const nowMs = clock.now();
    this.#name = name;
    this.#rule = rule;
    this.#shared = shared;
    this.#clock = clock;
    this.#block = blockSize(rule);
    this.#local = new TokenBucket(rule, nowMs);
    this.#far = { granted: 0, remaining: rule.burst, retryAfterMs: 0 };
    this.#farAtMs = nowMs;
  }

  take(nowMs: number): boolean | Promise<boolean> {
    return this.#tryTake(nowMs) ?? this.#takeLater();
  }

  remaining(nowMs: number): number {
    if (nowMs < this.#awayUntilMs) return this.#local.remaining(nowMs);
    return Math.floor(this.#farTokens(nowMs)) + (nowMs < this.#creditsUntilMs ? this.#credits : 0);
  }

  retryAfterMs(nowMs: number): number {
    if (nowMs < this.#awayUntilMs) return this.#local.retryAfterMs(nowMs);
    return Math.max(0, this.#emptyUntilMs - nowMs);
  }

  resetMs(nowMs: number): number {
    if (nowMs < this.#awayUntilMs) return this.#local.resetMs(nowMs);
    return ((this.#rule.burst - this.#farTokens(nowMs)) / this.#rule.ratePerSecond) * 1000;
  }

  isIdle(nowMs: number): boolean {
    return this.#fetching === undefined && this.#local.isIdle(nowMs);
  }

  /** Undefined: nothing is known, a block must be fetched. */
  #tryTake(nowMs: number): boolean | undefined {
    if (nowMs < this.#awayUntilMs) return this.#local.take(nowMs);
    if (this.#credits > 0 && nowMs < this.#creditsUntilMs) {
      this.#credits--;
      this.#local.drain(nowMs);
      if (this.#block > 1 && this.#credits <= this.#block / 2) void this.#fetch(nowMs);
      return true;
    }
    return nowMs < this.#emptyUntilMs ? false : undefined;
  }

  async #takeLater(): Promise<boolean> {
    // Each round ends in tokens, in an empty bucket, or in the other side being away; others may have used the tokens up meanwhile.
    for (;;) {
      await this.#fetch(this.#clock.now());
      const taken = this.#tryTake(this.#clock.now());
      if (taken !== undefined) return taken;
    }
  }

  /** One at a time. Never rejects. */
  #fetch(nowMs: number): Promise<void> {
    if (nowMs < this.#emptyUntilMs) return Promise.resolve();
    this.#fetching ??= this.#fetchOnce().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetchOnce(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = this.#clock.after(waitMs, () => resolve(undefined));
    try {
      // A late answer is dropped: its tokens are lost, which errs on the side of the limit.
      const taken = await Promise.race([this.#shared.take(this.#name, this.#block, this.#rule), promise]);
      if (taken === undefined) this.#awayUntilMs = this.#clock.now() + awayMs;
      else this.#receive(taken, this.#clock.now());
    } catch {
      this.#awayUntilMs = this.#clock.now() + awayMs;
    } finally {
      this.#clock.clear(timer);
    }
  }

  #receive(taken: Taken, nowMs: number): void {
    this.#far = taken;
    this.#farAtMs = nowMs;
    if (taken.granted > 0) {
      if (nowMs >= this.#creditsUntilMs) this.#credits = 0;
      this.#credits += taken.granted;
      this.#creditsUntilMs = nowMs + keepMs;
    } else {
      // At least a millisecond, or waiters would ask in a circle.
      this.#emptyUntilMs = nowMs + Math.max(1, taken.retryAfterMs);
    }
  }

  #farTokens(nowMs: number): number {
    const regained = ((nowMs - this.#farAtMs) * this.#rule.ratePerSecond) / 1000;
    return Math.min(this.#rule.burst, this.#far.remaining + regained);
  }
}
