/**
 * What lies behind the hot path and may be a server of its own: caches, features, the prediction log, keys, and the connections to
 * Redis and the database that they share. Part of the composition root; opened before the registry, closed after it.
 */
import { hash, randomFillSync } from 'node:crypto';
import { createKeyDigest } from './adapters/key-digest.ts';
import { MemoryCache } from './adapters/memory/memory-cache.ts';
import type { RedisLink } from './adapters/redis/open-redis.ts';
import type { Config } from './config/schema.ts';
import { ResponseCache } from './core/cache/response-cache.ts';
import { PredictionIds } from './core/predictions/prediction-id.ts';
import { PredictionReader } from './core/predictions/prediction-reader.ts';
import { PredictionRecorder } from './core/predictions/prediction-recorder.ts';
import { PredictionWriter } from './core/predictions/prediction-writer.ts';
import { RetentionJob } from './core/predictions/retention-job.ts';
import type { Invalidation } from './ports/cache-store.ts';
import type { Clock } from './ports/clock.ts';
import type { Database } from './ports/database.ts';
import type { Logger } from './ports/logger.ts';
import type { PoolStatus } from './ports/pool-status.ts';
import type { StoreFigures } from './ports/store-figures.ts';
import type { Access } from './server-access.ts';
import { CachedModels } from './server-cached-models.ts';
import { databaseOptions, openForReading } from './server-database.ts';
import { LazyDatabase } from './server-database-lazy.ts';
import { FeatureSources } from './server-features.ts';
import { joinBuses, type SiblingBus } from './server-invalidation-bus.ts';

export interface StoresDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of dropped answers; rejects when one did not take it. */
  readonly tellSiblings: (invalidation: Invalidation) => Promise<void>;
}

interface PredictionLog {
  readonly writer: PredictionWriter;
  readonly recorder: PredictionRecorder;
  readonly reader: PredictionReader;
  readonly retention: RetentionJob;
}

export interface Stores {
  readonly memory: MemoryCache | undefined;
  readonly bus: SiblingBus;
  readonly cache: ResponseCache;
  readonly cached: CachedModels;
  readonly features: FeatureSources;
  /** Undefined while predictions are not logged. */
  readonly predictions: PredictionLog | undefined;
  /** Undefined while anybody may ask. */
  readonly access: Access | undefined;
  /** The database if something at the start needed it: the home of the audit log. */
  readonly database: Database | undefined;
  pools(): readonly PoolStatus[];
  figures(): Omit<StoreFigures, 'upstreams' | 'tasks'>;
  /** After the last request was answered and the models are closed. Idempotent. */
  close(): Promise<void>;
}

/** @throws HotpathError with what is wrong, when the prediction log or the keys need a database that cannot be had. */
export async function openStores(deps: StoresDeps): Promise<Stores> {
  const { config, clock, logger, tellSiblings } = deps;
  const random = Math.random;
  const openRedis = async (url: string, connections: number): Promise<RedisLink> => {
    const adapter = await import('./adapters/redis/open-redis.ts');
    return adapter.openRedis({ url, connections, clock, logger, random });
  };
  const redis = config.redisUrl === '' ? undefined : await openRedis(config.redisUrl, config.redisConnections);
  const lazy = new LazyDatabase({ ...databaseOptions(config), clock, logger }, config.databaseMigrate);
  const memory = config.cacheMemory === 0 ? undefined : new MemoryCache(config.cacheMemory);
  const bus = joinBuses(tellSiblings, redis?.bus);
  const databaseTier = lazy.cacheTier();
  const cache = new ResponseCache({
    clock,
    random,
    digest: createKeyDigest(),
    logger,
    memory,
    stores: redis === undefined ? [databaseTier] : [redis.cache, databaseTier],
    bus,
    timeoutMs: config.cacheTimeoutMs,
  });
  const features = new FeatureSources({
    featureHosts: config.featureHosts,
    cacheTimeoutMs: config.cacheTimeoutMs,
    clock,
    random,
    logger,
    memory,
    store: (tier) => (tier === 'redis' ? redis?.cache : databaseTier),
    ownRedis: async () => redis,
    ownDatabase: () => lazy.open(),
    openRedis: (url) => openRedis(url, 1),
    openDatabase: (url) => openForReading({ ...databaseOptions(config), url, clock, logger }),
  });
  const closeAll = async (): Promise<void> => {
    await cache.close();
    await features.close();
    await lazy.close();
    await redis?.close();
  };
  let predictions: PredictionLog | undefined;
  let access: Access | undefined;
  try {
    if (config.predictionLog !== 'off') predictions = openLog(config, await lazy.open(), deps);
    if (config.auth === 'on') {
      const { keys } = await lazy.open();
      const { openAccess } = await import('./server-access.ts');
      access = await openAccess(config, { keys, shared: redis?.limits, clock, logger });
    }
  } catch (error) {
    await closeAll();
    throw error;
  }
  const cached = new CachedModels(cache, () => lazy.open());
  const pools = (): readonly PoolStatus[] => [
    ...(lazy.current === undefined ? [] : [lazy.current.status()]),
    ...(redis === undefined ? [] : [redis.pool.status()]),
    ...features.pools(),
  ];
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await predictions?.retention.stop();
    const lost = await predictions?.writer.close(config.shutdownTimeoutMs);
    if (lost !== undefined && lost > 0)
      logger.error({ lost }, 'predictions were lost: the database did not take them in time');
    await access?.close();
    await closeAll();
  };
  return {
    memory,
    bus,
    cache,
    cached,
    features,
    predictions,
    access,
    database: lazy.current,
    pools,
    figures: () => ({
      cache: cached.any ? memory?.status() : undefined,
      predictions:
        predictions === undefined ? undefined : { ...predictions.writer.counters, waiting: predictions.writer.waiting },
      access: access === undefined ? undefined : accessFigures(access),
      features: features.counts(),
      pools: pools(),
    }),
    close() {
      closed ??= close();
      return closed;
    },
  };
}

function openLog(config: Config, { predictions: store }: Database, { clock, logger }: StoresDeps): PredictionLog {
  const random = Math.random;
  const wallClock = Date.now;
  const writer = new PredictionWriter({
    store,
    clock,
    random,
    logger,
    // Half of SHA-256: a record's key needs no more, and the index is the smaller for it.
    digest: (bytes) => Buffer.from(hash('sha256', bytes, 'latin1').slice(0, 16), 'latin1'),
    mode: config.predictionLog === 'stored' ? 'stored' : 'async',
    capacity: config.predictionLogBuffer,
    full: config.predictionLogFull,
  });
  const retention = new RetentionJob({ store, clock, wallClock, random, logger, days: config.predictionRetentionDays });
  retention.start();
  const ids = new PredictionIds(randomFillSync);
  const recorder = new PredictionRecorder({ ids, writer, wallClock, maxBytes: config.predictionLogMaxBytes });
  return { writer, recorder, reader: new PredictionReader(store, writer), retention };
}

function accessFigures({ guard }: Access): { readonly refused: Readonly<Record<string, number>> } {
  const { refused, denied, limited } = guard.snapshot();
  return { refused: { ...refused, denied, limited } };
}
