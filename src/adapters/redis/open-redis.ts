/**
 * All that Hotpath does with one Redis, over one set of connections. Loaded and called by the composition root, only when a Redis
 * is configured. It resolves nothing and waits for nothing: Redis may be absent, each call rejects until it is there.
 */
import type { CacheStore, InvalidationBus } from '../../ports/cache-store.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Pool } from '../../ports/pool-status.ts';
import type { SharedLimits } from '../../ports/shared-limits.ts';
import { RedisCacheStore } from './cache-store.ts';
import { Connections } from './connections.ts';
import { RedisFeatures, type StoredRow } from './features.ts';
import { RedisInvalidationBus } from './invalidation-bus.ts';
import { RedisLeases } from './leases.ts';
import { RedisSharedLimits } from './shared-limits.ts';
import { parseRedisUrl } from './url.ts';

export interface RedisOptions {
  /** `redis://user:password@host:6379/0`, or rediss:// for TLS. Its credentials are never shown. */
  readonly url: string;
  /** Connections, taken in turn; commands are pipelined on each. @default 2 */
  readonly connections?: number;
  /** Longest wait for an answer, after which a call rejects. @default 1000 */
  readonly timeoutMs?: number;
  /** What all keys and channels begin with, except for those of features. @default 'hotpath:' */
  readonly prefix?: string;
  /** Larger values are not stored. @default 16777216 */
  readonly maxValueBytes?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

export interface RedisLink {
  readonly cache: CacheStore;
  readonly bus: InvalidationBus;
  readonly limits: SharedLimits;
  readonly pool: Pool;
  /** Feature rows by key, in order: a hash by field, or a string as it is; undefined: no such key, or one of another type. */
  readFeatures(keys: readonly string[]): Promise<StoredRow[]>;
  /** Finishes what was begun, then closes all connections; later calls reject. Idempotent. */
  close(): Promise<void>;
}

/** @throws INVALID_INPUT when the URL is none of Redis. */
export function openRedis(options: RedisOptions): RedisLink {
  const { url, connections: count = 2, timeoutMs = 1000, prefix = 'hotpath:', clock, logger, random } = options;
  const connections = new Connections({ target: parseRedisUrl(url), count, timeoutMs, clock, logger, random });
  const owner = randomName(random);
  const leases = new RedisLeases(connections, prefix, owner);
  const maxValueBytes = options.maxValueBytes ?? 16 * 2 ** 20;
  const cache = new RedisCacheStore({ connections, clock, prefix, maxValueBytes, leases });
  const bus = new RedisInvalidationBus({ connections, clock, logger, prefix, sender: owner });
  const features = new RedisFeatures(connections, clock);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= Promise.all([cache.close(), bus.close()]).then(() => connections.close());
    return closing;
  };
  return {
    cache,
    bus,
    limits: new RedisSharedLimits(connections, prefix),
    pool: { status: () => connections.status(), close },
    readFeatures: (keys) => features.read(keys),
    close,
  };
}

/** 128 random bits, so that no two processes share a name. */
function randomName(random: Random): string {
  const word = () =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return word() + word() + word() + word();
}
