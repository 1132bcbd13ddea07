/**
 * Features in a cache tier beyond memory: every wait is bounded, a breaker spares a tier that is gone, and nothing here ever
 * rejects, because the next tier or the source knows the answer too. Used by feature-cache.ts.
 */
import type { CacheEntry, CacheStore } from '../../ports/cache-store.ts';
import type { Clock } from '../../ports/clock.ts';
import type { FeatureRow } from '../../ports/feature-source.ts';
import { Breaker } from '../breaker.ts';
import type { FeatureKeys } from './feature-keys.ts';
import { asFeatureRow } from './feature-row.ts';

/** Writes that may be under way at once; more are dropped, which costs one more fetch later. */
const maxWrites = 16;

export interface Found {
  readonly row: FeatureRow | undefined;
  /** Milliseconds. */
  readonly ttlMs: number;
}

export class FarTier {
  readonly #store: CacheStore;
  readonly #keys: FeatureKeys;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #breaker = new Breaker({ failures: 5, openMs: 1000 });
  #writes = 0;
  #unwritten: CacheEntry[] = [];

  constructor(store: CacheStore, keys: FeatureKeys, clock: Clock, timeoutMs: number) {
    this.#store = store;
    this.#keys = keys;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** By entity, in order; undefined where the tier has none, does not answer in time, or is spared. */
  async read(entities: readonly string[]): Promise<readonly (Found | undefined)[]> {
    const keys = entities.map((entity) => this.#keys.far(entity));
    const values = await this.#bounded(() => this.#store.getMany(keys));
    return entities.map((entity, index) => {
      const stored = values?.[index];
      return stored === undefined ? undefined : decode(stored.value, entity, stored.ttlMs);
    });
  }

  /** At the end of this turn, with all others of it, and without waiting for it. */
  write(entity: string, { row, ttlMs }: Found): void {
    this.#unwritten.push({ key: this.#keys.far(entity), value: encode(entity, row), ttlMs });
    if (this.#unwritten.length === 1) this.#clock.defer(() => this.#flush());
  }

  #flush(): void {
    const entries = this.#unwritten;
    this.#unwritten = [];
    if (this.#writes >= maxWrites || this.#breaker.state(this.#clock.now()) !== 'closed') return;
    this.#writes++;
    const done = (): void => {
      this.#writes--;
    };
    // Its result says nothing to the breaker: a tier too slow to be waited for may well take what it is given.
    (async () => this.#store.setMany(entries))().then(done, done);
  }

  #bounded<T>(run: () => Promise<T>): Promise<T | undefined> {
    const { promise, resolve } = Promise.withResolvers<T | undefined>();
    const startMs = this.#clock.now();
    if (!this.#breaker.allows(startMs)) {
      resolve(undefined);
      return promise;
    }
    this.#breaker.begin(startMs);
    let waiting = true;
    const end = (value: T | undefined, failed: boolean): void => {
      if (!waiting) return;
      waiting = false;
      this.#clock.clear(timer);
      if (failed) this.#breaker.fail(this.#clock.now());
      else this.#breaker.succeed();
      resolve(value);
    };
    const timer = this.#clock.after(this.#timeoutMs, () => end(undefined, true));
    // Also a store that throws instead of rejecting must not reach the request.
    (async () => run())().then(
      (value) => end(value, false),
      () => end(undefined, true),
    );
    return promise;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function encode(entity: string, row: FeatureRow | undefined): Uint8Array {
  return encoder.encode(JSON.stringify({ entity, features: row ?? null }));
}

/** Undefined when it belongs to another entity of the same digest, or is nothing that this wrote. */
function decode(bytes: Uint8Array, entity: string, ttlMs: number): Found | undefined {
  try {
    const value = JSON.parse(decoder.decode(bytes)) as { entity?: unknown; features?: unknown };
    if (value.entity !== entity) return undefined;
    if (value.features === null) return { row: undefined, ttlMs };
    const row = asFeatureRow(value.features);
    return row === undefined ? undefined : { row, ttlMs };
  } catch {
    return undefined;
  }
}
