/** What operators are shown of the response cache. Made by the composition root, shown by protocols/admin. Data only. */
import type { FarTier } from './cache-store.ts';

export interface CacheStatus {
  /** In the order they are asked; only those that the server has. */
  readonly tiers: readonly CacheTierStatus[];
  /** What is in memory, by model. */
  readonly models: readonly CachedModelStatus[];
}

export interface CacheTierStatus {
  readonly tier: 'memory' | FarTier;
  /** `open`: it failed, and is left alone for a while; `half-open`: the next call decides. Memory is always closed. */
  readonly state: 'closed' | 'open' | 'half-open';
  /** Undefined for tiers beyond memory, where counting is slow. */
  readonly entries?: number | undefined;
  readonly bytes?: number | undefined;
  readonly maxBytes?: number | undefined;
  /** Since the start: entries that had to go for others before their time. */
  readonly evictions?: number | undefined;
}

export interface CachedModelStatus {
  readonly model: string;
  readonly version: string;
  readonly entries: number;
  readonly bytes: number;
}

export interface DroppedEntries {
  /** How many, by tier; of memory in the process that was asked. */
  readonly dropped: Readonly<Partial<Record<'memory' | FarTier, number>>>;
  /** What could not be reached: entries there live on to their end. `announcement`: the other processes. */
  readonly failed: readonly (FarTier | 'announcement')[];
}
