/**
 * A cache tier outside the heap: Redis or the database. Reached over a wire or a thread, so slow, full or gone at any time: whoever
 * calls it (core/cache) bounds every wait and answers without it. Keys are printable ASCII, values opaque bytes.
 */

export type FarTier = 'redis' | 'database';
/** Where an answer came from. `bypass`: the request asked for none, or its kind is never cached. */
export type CacheOutcome = 'memory' | FarTier | 'miss' | 'bypass';

export interface StoredValue {
  readonly value: Uint8Array;
  /** What is left of its time to live, milliseconds, above 0. */
  readonly ttlMs: number;
}

export interface CacheEntry {
  /** `<model>/<version>/<content>:<digest>`; see core/cache/cache-key.ts. At most 512 characters. */
  readonly key: string;
  readonly value: Uint8Array;
  readonly ttlMs: number;
}

export interface CacheStore {
  readonly tier: FarTier;
  /** By key, in order; undefined: absent or expired. One round trip. Rejects when the store cannot answer. */
  getMany(keys: readonly string[]): Promise<readonly (StoredValue | undefined)[]>;
  /** Later entries of the same key win. Resolves when the store has them. */
  setMany(entries: readonly CacheEntry[]): Promise<void>;
  /** Drops every entry whose key begins with `prefix` ('' drops all of the cache). Returns how many. Slow is allowed. */
  deletePrefix(prefix: string): Promise<number>;
  /** Of stores that several servers share: who may compute a key now. Absent where the store cannot tell. */
  readonly leases?: LeaseStore;
  /** Finishes what was begun; later calls reject. Idempotent. */
  close(): Promise<void>;
}

export interface LeaseStore {
  /** True for exactly one asker per key until `release` or `ttlMs` later. */
  acquire(key: string, ttlMs: number): Promise<boolean>;
  /** Gives back one's own lease; without effect on another's. */
  release(key: string): Promise<void>;
}

/** Which cached answers are no longer to be given. */
export interface Invalidation {
  /** A model's name, or a pattern with `*` for any characters; `*` alone is everything. */
  readonly model: string;
  /** @default all versions */
  readonly version?: string | undefined;
}

/** Tells other processes of dropped entries. Delivery is best effort: entries also die by their time to live. */
export interface InvalidationBus {
  publish(invalidation: Invalidation): Promise<void>;
  /** What others published, never what this process did. */
  onInvalidation(handler: (invalidation: Invalidation) => void): void;
}
