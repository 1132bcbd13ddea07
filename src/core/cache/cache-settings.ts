/** The `cache` part of model.json with every default filled in, and the numbers that are nobody's setting. Defaults live here only. */
import type { CacheConfig } from '../../ports/cache-config.ts';
import type { FarTier } from '../../ports/cache-store.ts';

export interface CacheSettings {
  readonly memory: boolean;
  /** In the order they are asked; only those the server has a store for. */
  readonly farTiers: readonly FarTier[];
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly jitter: number;
  readonly write: 'aside' | 'through' | 'behind';
  readonly maxValueBytes: number;
  readonly shareFlights: boolean;
  /** For people: what was asked for and is not there. */
  readonly notes: readonly string[];
}

/** Of each tier beyond memory. Open long enough to spare a dead store, short enough that its return is seen at once. */
export const tierBreaker = { failures: 5, openMs: 1000 } as const;

/** Write-behind: entries go together when there are this many, or after this time. Beyond the limits they are dropped. */
export const writeBehind = { batch: 256, delayMs: 50, maxEntries: 8192, maxBytes: 64 * 1024 * 1024 } as const;

/** Waiting for another server's answer: the first pause doubles up to the last. A lease outlives a slow computation, not a dead server. */
export const leasing = { firstPauseMs: 2, lastPauseMs: 50, minMs: 1000, maxMs: 30_000 } as const;

export interface AvailableTiers {
  readonly memory: boolean;
  readonly far: readonly FarTier[];
  /** Whether the redis tier can tell who computes. */
  readonly leases: boolean;
}

export function cacheSettings(config: CacheConfig, available: AvailableTiers): CacheSettings {
  const tiers = config.tiers ?? ['memory'];
  const notes: string[] = [];
  const farTiers: FarTier[] = [];
  for (const tier of tiers) {
    if (tier === 'memory' ? !available.memory : !available.far.includes(tier)) {
      notes.push(`The cache tier "${tier}" is left out: ${missing[tier]}.`);
    } else if (tier !== 'memory') {
      farTiers.push(tier);
    }
  }
  const wantsShared = config.shareFlights ?? false;
  const shareFlights = wantsShared && available.leases && farTiers.includes('redis');
  if (wantsShared && !shareFlights) notes.push('shareFlights is off: it needs the redis tier.');
  return {
    memory: tiers.includes('memory') && available.memory,
    farTiers,
    ttlMs: config.ttlMs ?? 3_600_000,
    staleMs: config.staleMs ?? 0,
    jitter: config.jitter ?? 0.1,
    write: config.write ?? 'aside',
    maxValueBytes: config.maxValueBytes ?? 1_048_576,
    shareFlights,
    notes,
  };
}

const missing = {
  memory: 'cacheMemory is 0',
  redis: 'redisUrl is not set',
  database: 'no database is configured',
} as const;
