/**
 * The tier inside the process, shared by the answers of all models and by feature rows. Synchronous: a hit costs a lookup and nothing
 * else. Implemented by adapters/memory. Keys that begin with U+0001 are answers (cache-key.ts); other users choose other beginnings.
 */

export interface MemoryEntry<V = unknown> {
  /** Shared by everybody who gets it, so never changed. */
  readonly value: V;
  /** What the value holds in memory; the tier adds its own part and the key's. */
  readonly sizeBytes: number;
  /** On the clock's scale: given without further thought until then. */
  readonly freshUntilMs: number;
  /** On the clock's scale, not before `freshUntilMs`: gone from then on. */
  readonly expiresMs: number;
}

export interface MemoryTier {
  /** Undefined: absent or expired. */
  get(key: string, nowMs: number): MemoryEntry | undefined;
  /** What is larger than the whole tier is not kept, and replaces nothing. */
  set(key: string, entry: MemoryEntry): void;
  delete(key: string): void;
  /** Looks at every key. Returns how many were dropped. */
  deletePrefix(prefix: string): number;
  clear(): void;
  /** Drops the least recently used until at most `bytes` are held; later entries may fill it up again. */
  shrinkTo(bytes: number): void;
  status(): MemoryTierStatus;
  /** Entries and bytes by the first `length` characters of their keys. Looks at every key: for people, not per request. */
  usageByPrefix(length: number): ReadonlyMap<string, MemoryUsage>;
}

export interface MemoryUsage {
  readonly entries: number;
  readonly bytes: number;
}

export interface MemoryTierStatus extends MemoryUsage {
  readonly maxBytes: number;
  /** Since the start, entries that had to go for others before their time. */
  readonly evictions: number;
}
