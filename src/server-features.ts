/**
 * Where the features of models come from, made of what the server has. Part of the composition root. A client is opened when the first
 * model needs it, shared by all models of the same source, closed with the last of them and at the stop. Nothing of undici, ioredis or
 * pg is loaded before.
 */
import type { HttpClient } from './adapters/http/http-client.ts';
import type { MemoryTier } from './core/cache/memory-tier.ts';
import { HotpathError } from './core/errors.ts';
import { FeatureCache, type FeatureCounts } from './core/features/feature-cache.ts';
import { type ReadFeatures, redisFeatures } from './core/features/redis-features.ts';
import { sqlFeatures } from './core/features/sql-features.ts';
import type { TensorSpec } from './core/tensor.ts';
import type { CacheStore, FarTier } from './ports/cache-store.ts';
import type { Clock, Random } from './ports/clock.ts';
import type { Database } from './ports/database.ts';
import type { FeatureSource, FeaturesConfig } from './ports/feature-source.ts';
import type { Logger } from './ports/logger.ts';
import type { PoolStatus } from './ports/pool-status.ts';

/** What RedisLink and Database have in common here. */
interface Closable {
  close(): Promise<void>;
}
interface Watched extends Closable {
  readonly pool: { status(): PoolStatus };
}
export type FeatureRedis = Watched & { readonly readFeatures: ReadFeatures };
export type FeatureDatabase = Pick<Database, 'read' | 'placeholder' | 'status' | 'close'>;

export interface FeatureSourcesDeps {
  /** `featureHosts` of the server's configuration. */
  readonly featureHosts: string;
  /** Longest wait for a cache tier beyond memory: `cacheTimeoutMs`. */
  readonly cacheTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly memory: Pick<MemoryTier, 'get' | 'set'> | undefined;
  /** The server's cache tiers; undefined: not configured. */
  readonly store: (tier: FarTier) => CacheStore | undefined | Promise<CacheStore | undefined>;
  /** The server's own, which it also closes; undefined: not configured. */
  readonly ownRedis: () => Promise<Pick<FeatureRedis, 'readFeatures'> | undefined>;
  readonly ownDatabase: () => Promise<Pick<FeatureDatabase, 'read' | 'placeholder'> | undefined>;
  /** Others, by their URLs; closed from here. */
  readonly openRedis: (url: string) => Promise<FeatureRedis>;
  readonly openDatabase: (url: string) => Promise<FeatureDatabase>;
}

/** The features of one loaded version. */
export interface OpenFeatures {
  readonly cache: FeatureCache;
  /** When the version is unloaded, after its last request. Idempotent. */
  close(): Promise<void>;
}

/** A client and the models that use it. */
interface Shared {
  users: number;
  readonly opening: Promise<Client>;
}
type Client =
  | { readonly kind: 'http'; readonly http: HttpClient }
  | { readonly kind: 'redis'; readonly redis: FeatureRedis }
  | { readonly kind: 'sql'; readonly database: FeatureDatabase };

const featureOutcomes = ['memory', 'far', 'source', 'stale', 'unknown', 'failed'] as const;

export class FeatureSources {
  readonly #deps: FeatureSourcesDeps;
  readonly #shared = new Map<string, Shared>();
  /** What is open, for pools(). */
  readonly #clients = new Set<Client>();
  /** Of every version ever opened: counters never fall. */
  readonly #counts: FeatureCounts[] = [];
  #closed = false;

  constructor(deps: FeatureSourcesDeps) {
    this.#deps = deps;
  }

  /** @throws MODEL_FAILED with what is wrong in the configuration; no source is asked for anything yet. */
  async open(model: string, config: FeaturesConfig, inputs: readonly TensorSpec[]): Promise<OpenFeatures> {
    const { memory, clock, random, logger, cacheTimeoutMs: storeTimeoutMs } = this.#deps;
    const tiers = config.tiers ?? ['memory'];
    const stores = await Promise.all(tiers.filter((tier) => tier !== 'memory').map((tier) => this.#store(tier)));
    const source = await this.#source(config);
    const near = tiers.includes('memory') ? memory : undefined;
    const cache = new FeatureCache({
      ...{ model, config, inputs, source, stores, storeTimeoutMs, clock, random, logger },
      memory: near,
    });
    this.#counts.push(cache.counts);
    let closed: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closed ??= source.close();
      return closed;
    };
    return { cache, close };
  }

  /** Of the clients that belong to features alone. */
  pools(): readonly PoolStatus[] {
    return [...this.#clients].flatMap((client) => {
      if (client.kind === 'http') return client.http.statuses();
      return [client.kind === 'redis' ? client.redis.pool.status() : client.database.status()];
    });
  }

  /** Entities by where their features came from, of every model since the start; undefined while no model has features. */
  counts(): Readonly<FeatureCounts> | undefined {
    if (this.#counts.length === 0) return undefined;
    const sum = { memory: 0, far: 0, source: 0, stale: 0, unknown: 0, failed: 0 };
    for (const counts of this.#counts) for (const name of featureOutcomes) sum[name] += counts[name];
    return sum;
  }

  /** Also what models still use. Idempotent; never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#shared.clear();
    await Promise.all([...this.#clients].map((client) => this.#close(client)));
  }

  async #store(tier: FarTier): Promise<CacheStore> {
    const store = await this.#deps.store(tier);
    if (store !== undefined) return store;
    const setting = tier === 'redis' ? 'redisUrl' : 'databaseUrl';
    throw wrongSource(`features.tiers: "${tier}" needs ${setting} in the server's configuration.`);
  }

  async #source(config: FeaturesConfig): Promise<FeatureSource> {
    const { source } = config;
    if (source === 'redis') {
      const link = await this.#deps.ownRedis();
      if (link === undefined)
        throw wrongSource('features.source: "redis" needs redisUrl in the server\'s configuration.');
      return redisFeatures(config, link.readFeatures);
    }
    if (source === 'sql') {
      const database = await this.#deps.ownDatabase();
      if (database === undefined)
        throw wrongSource('features.source: "sql" needs databaseUrl in the server\'s configuration.');
      return sqlFeatures(config, database);
    }
    return this.#remote(config);
  }

  async #remote(config: FeaturesConfig): Promise<FeatureSource> {
    const { source } = config;
    const key = /^https?:/i.test(source) ? new URL(source).origin : source;
    const shared = this.#shared.get(key) ?? { users: 0, opening: this.#open(source) };
    this.#shared.set(key, shared);
    shared.users++;
    const release = async (): Promise<void> => {
      shared.users--;
      if (shared.users > 0) return;
      if (this.#shared.get(key) === shared) this.#shared.delete(key);
      await shared.opening.then(
        (client) => this.#close(client),
        () => {},
      );
    };
    try {
      return await connect(config, await shared.opening, release);
    } catch (error) {
      await release();
      throw error instanceof HotpathError ? error : wrongSource((error as Error).message);
    }
  }

  async #open(source: string): Promise<Client> {
    const client = await this.#make(source);
    this.#clients.add(client);
    if (!this.#closed) return client;
    await this.#close(client);
    throw new HotpathError('SHUTTING_DOWN', 'The server is stopping.');
  }

  async #make(source: string): Promise<Client> {
    const { featureHosts, clock, openRedis, openDatabase } = this.#deps;
    const { protocol } = new URL(source);
    if (protocol === 'redis:' || protocol === 'rediss:') return { kind: 'redis', redis: await openRedis(source) };
    if (protocol !== 'http:' && protocol !== 'https:') return { kind: 'sql', database: await openDatabase(source) };
    const { HttpClient } = await import('./adapters/http/http-client.ts');
    const { HostPolicy } = await import('./adapters/http/host-policy.ts');
    const policy = new HostPolicy(featureHosts);
    policy.check(new URL(source));
    return { kind: 'http', http: new HttpClient({ policy, clock }) };
  }

  async #close(client: Client): Promise<void> {
    if (!this.#clients.delete(client)) return;
    const closable: Closable =
      client.kind === 'http' ? client.http : client.kind === 'redis' ? client.redis : client.database;
    try {
      await closable.close();
    } catch (error) {
      this.#deps.logger.error({ err: error }, 'closing a source of features failed');
    }
  }
}

async function connect(config: FeaturesConfig, client: Client, release: () => Promise<void>): Promise<FeatureSource> {
  if (client.kind === 'redis') return redisFeatures(config, client.redis.readFeatures, release);
  if (client.kind === 'sql') return sqlFeatures(config, client.database, release);
  const { httpFeatures } = await import('./adapters/http/http-features.ts');
  return httpFeatures(config, client.http, release);
}

function wrongSource(message: string): HotpathError {
  return new HotpathError('MODEL_FAILED', `The source of features cannot be used. ${message}`);
}
