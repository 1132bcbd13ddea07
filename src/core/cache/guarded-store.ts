/**
 * A tier beyond memory as the hot path may use it: every wait is bounded, a breaker spares a dead store, and a failure is only a
 * miss. Nothing here rejects. One per store, shared by all models; made by the response cache.
 */
import type { CacheEntry, CacheStore, FarTier, LeaseStore, StoredValue } from '../../ports/cache-store.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import { Breaker, type BreakerState } from '../breaker.ts';
import { tierBreaker } from './cache-settings.ts';

export class GuardedStore {
  readonly tier: FarTier;
  readonly store: CacheStore;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #breaker = new Breaker(tierBreaker);
  /** Writes the store has not answered, also those nobody waits for any more. */
  readonly #writes = new Set<Promise<unknown>>();

  /** `timeoutMs` bounds what requests wait for. */
  constructor(store: CacheStore, clock: Clock, timeoutMs: number) {
    this.tier = store.tier;
    this.store = store;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  get breaker(): BreakerState {
    return this.#breaker.state(this.#clock.now());
  }

  get leases(): LeaseStore | undefined {
    return this.store.leases;
  }

  /** By key, in order. Undefined: the store did not answer in time, or was not asked. */
  read(keys: readonly string[], telemetry: ModelTelemetry): Promise<readonly (StoredValue | undefined)[] | undefined> {
    return this.#bounded('read', () => this.store.getMany(keys), this.#timeoutMs, telemetry);
  }

  /** `timeoutMs`: the default is what a request may wait for; nobody waits for writes in the background. */
  async write(entries: readonly CacheEntry[], telemetry: ModelTelemetry, timeoutMs = this.#timeoutMs): Promise<void> {
    await this.#bounded('write', () => this.#track(this.store.setMany(entries)), timeoutMs, telemetry);
  }

  /** True also when the store cannot tell: then everybody computes. */
  async acquire(key: string, ttlMs: number, telemetry: ModelTelemetry): Promise<boolean> {
    const { leases } = this.store;
    if (leases === undefined) return true;
    return (await this.#bounded('write', () => leases.acquire(key, ttlMs), this.#timeoutMs, telemetry)) ?? true;
  }

  release(key: string): void {
    // Its time ends it too.
    this.store.leases?.release(key).catch(() => {});
  }

  /** Resolves when every write begun so far has ended, or after `limitMs`. */
  async settled(limitMs: number): Promise<void> {
    if (this.#writes.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(limitMs, resolve);
      void Promise.allSettled(this.#writes).then(() => {
        this.#clock.clear(timer);
        resolve();
      });
    });
  }

  #track<T>(write: Promise<T>): Promise<T> {
    this.#writes.add(write);
    const forget = () => this.#writes.delete(write);
    write.then(forget, forget);
    return write;
  }

  #bounded<T>(
    operation: 'read' | 'write',
    start: () => Promise<T>,
    timeoutMs: number,
    telemetry: ModelTelemetry,
  ): Promise<T | undefined> {
    const clock = this.#clock;
    const breaker = this.#breaker;
    const startedMs = clock.now();
    if (!breaker.allows(startedMs)) {
      telemetry.cacheTier(this.tier, operation, 'skipped', 0);
      return Promise.resolve(undefined);
    }
    breaker.begin(startedMs);
    return new Promise((resolve) => {
      let waiting = true;
      const end = (result: 'ok' | 'timeout' | 'error', value: T | undefined) => {
        if (!waiting) return;
        waiting = false;
        const nowMs = clock.now();
        clock.clear(timer);
        if (result === 'ok') breaker.succeed();
        else breaker.fail(nowMs);
        telemetry.cacheTier(this.tier, operation, result, nowMs - startedMs);
        resolve(value);
      };
      const timer = clock.after(timeoutMs, () => end('timeout', undefined));
      try {
        start().then(
          (value) => end('ok', value),
          () => end('error', undefined),
        );
      } catch {
        end('error', undefined);
      }
    });
  }
}
