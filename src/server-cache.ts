/**
 * The operator's side of the response cache, for this process and its siblings: status, dropping entries, warming, and giving memory
 * back. Part of the composition root, made once by server.ts. Requests never come through here.
 */
import { memoryLimitBytes } from './config/memory-limit.ts';
import type { Config } from './config/schema.ts';
import type { ResponseCache } from './core/cache/response-cache.ts';
import { type WarmJob, WarmUps } from './core/cache-warming/warm-ups.ts';
import { HotpathError, invalidInput } from './core/errors.ts';
import { cacheIdentityOf } from './core/registry/cache-identity.ts';
import type { ModelStatus } from './core/registry/catalog.ts';
import type { InferCall, InferResponse } from './core/types.ts';
import type { CacheWarmConfig } from './ports/cache-config.ts';
import type { CacheStatus, CacheTierStatus, DroppedEntries } from './ports/cache-status.ts';
import type { Invalidation } from './ports/cache-store.ts';
import type { Clock } from './ports/clock.ts';
import type { Logger } from './ports/logger.ts';
import type { ModelConfig, ModelDefinition, ModelSource } from './ports/model-source.ts';
import type { PredictionStore } from './ports/prediction-store.ts';
import type { CacheAdmin, WarmRequest } from './protocols/admin/cache-routes.ts';
import { watchMemory } from './server-memory-watch.ts';
import type { Siblings } from './server-siblings.ts';
import type { Stores } from './server-stores.ts';
import { readWarmInputs } from './server-warm-inputs.ts';

export interface CacheModels {
  /** @throws MODEL_NOT_FOUND. */
  describe(model: string, versionOrLabel?: string): Promise<ModelStatus>;
  definition(model: string): ModelDefinition | undefined;
  /** Loads as the first request would; the status tells how it went. */
  warm(model: string, version: string): Promise<void>;
  /** Whether it answers without a load. */
  isReady(model: string, version: string): boolean;
}

export interface CacheOperationsDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cache: Pick<ResponseCache, 'status' | 'invalidate' | 'relieve'> & WarmableCache;
  /** Bytes of everything in the memory tier. Cheap. */
  readonly cachedBytes: () => number;
  readonly models: CacheModels;
  readonly source: Pick<ModelSource, 'readFile'>;
  /** Must leave no trace in the prediction log, or warming would make inputs frequent. */
  readonly infer: (call: InferCall) => Promise<InferResponse>;
  readonly predictions: () => Promise<Pick<PredictionStore, 'frequentInputs' | 'list'> | undefined>;
  /** Asks the other processes of this server; what does not answer is left out. */
  readonly askSiblings: (question: CacheQuestion) => Promise<readonly unknown[]>;
  /** Unix milliseconds. */
  readonly unixMs: () => number;
  /** Of this process. */
  readonly memoryLimitBytes: number;
  readonly rssBytes: () => number;
}

export interface WarmableCache {
  /** Until the returned function is called, every new answer of the version is worth a place in memory. */
  readonly warming?: (model: string, version: string) => () => void;
}

/** What processes of one server ask each other. Structured-cloneable. */
export type CacheQuestion = { readonly type: 'status' } | { readonly type: 'warm'; readonly request: WarmRequest };

const dayHours = 24;

/** As the registry decides it; the steps of a pipeline may have a cache, the pipeline itself has none. */
function hasCache(definition: ModelDefinition): boolean {
  return definition.config.pipeline === undefined && cacheIdentityOf(definition, '') !== undefined;
}

export class CacheOperations implements CacheAdmin {
  readonly #deps: CacheOperationsDeps;
  readonly #warmUps: WarmUps;
  readonly #stopWatch: () => void;
  /** Warm-ups of loads, by model and version: a second load makes that of the first one pointless. */
  readonly #atLoad = new Map<string, WarmJob>();

  constructor(deps: CacheOperationsDeps) {
    this.#deps = deps;
    this.#warmUps = new WarmUps(deps);
    this.#stopWatch = watchMemory({ ...deps, limitBytes: deps.memoryLimitBytes, relieve: () => relieve(deps) });
  }

  async status(): Promise<CacheStatus & { readonly processes: number }> {
    const others = (await this.#deps.askSiblings({ type: 'status' })) as readonly CacheStatus[];
    return { processes: 1 + others.length, ...addStatus([describe(this.#deps.cache), ...others]) };
  }

  async invalidate(invalidation: Invalidation): Promise<DroppedEntries> {
    const { cache, models } = this.#deps;
    if (!invalidation.model.includes('*')) {
      await models.describe(invalidation.model);
      cachedConfig(models, invalidation.model);
    }
    const { memory, far, failed } = await cache.invalidate(invalidation);
    return { dropped: { memory, ...far }, failed };
  }

  async warm(request: WarmRequest): Promise<WarmJob> {
    const job = await this.#warmHere(request);
    // Afterwards, so that they find in the shared tiers what was computed here.
    const tellSiblings = async (): Promise<void> => {
      if ((await job.result).state === 'done') await this.#deps.askSiblings({ type: 'warm', request });
    };
    tellSiblings().catch(() => {});
    return job;
  }

  /** Warms in the background what its configuration says. Call it once per load, when the version answers. */
  modelReady(model: string, version: string, config: ModelConfig): void {
    const what = hasCache({ config }) && config.cache !== false ? config.cache?.warm : undefined;
    const key = `${model}/${version}`;
    this.#atLoad.get(key)?.cancel('The model was loaded again.');
    this.#atLoad.delete(key);
    if (what === undefined) return;
    const job = this.#begin(model, version, what);
    this.#atLoad.set(key, job);
    void report(this.#deps.logger, job).finally(() => this.#atLoad.get(key) === job && this.#atLoad.delete(key));
  }

  /** To a sibling. */
  async answer(question: CacheQuestion): Promise<unknown> {
    if (question.type === 'status') return describe(this.#deps.cache);
    void report(this.#deps.logger, await this.#warmHere(question.request));
    return undefined;
  }

  /** Cancels warm-ups and waits for their end, which is soon. Idempotent. Before the listeners and the batchers close. */
  async close(): Promise<void> {
    this.#stopWatch();
    await this.#warmUps.close();
  }

  async #warmHere(request: WarmRequest): Promise<WarmJob> {
    const { models } = this.#deps;
    const { model } = request;
    const { version } = await models.describe(model, request.version);
    const config = cachedConfig(models, model);
    await load(models, model, version);
    return this.#begin(model, version, whatToWarm(request, config));
  }

  #begin(model: string, version: string, what: CacheWarmConfig): WarmJob {
    const { cache, models, config } = this.#deps;
    let end = (): void => {};
    const inputs = async () => {
      const read = await readWarmInputs({ ...this.#deps, limits: config }, { model, version }, what);
      // Without it, the inputs of a warm-up look like those of a client who never repeats himself, and are not kept.
      end = cache.warming?.(model, version) ?? end;
      return read;
    };
    const job = this.#warmUps.begin({ model, version, inputs, isWanted: () => models.isReady(model, version) });
    job.result.then(
      () => end(),
      () => end(),
    );
    return job;
  }
}

/** What server.ts has at hand, as what the operations need. */
export function operateCache(parts: CacheParts): CacheOperations {
  const { config, stores, registry, source, siblings, clock, logger, infer } = parts;
  return new CacheOperations({
    config,
    clock,
    logger,
    cache: stores.cache,
    cachedBytes: () => stores.memory?.status().bytes ?? 0,
    models: registry,
    source,
    infer,
    predictions: async () => (stores.predictions === undefined ? undefined : stores.database?.predictions),
    askSiblings: (question) => siblings.askCache(question),
    unixMs: Date.now,
    memoryLimitBytes: memoryLimitBytes() / config.workers,
    rssBytes: () => process.memoryUsage.rss(),
  });
}

export interface CacheParts extends Pick<CacheOperationsDeps, 'config' | 'clock' | 'logger' | 'source' | 'infer'> {
  readonly stores: Pick<Stores, 'cache' | 'memory' | 'predictions' | 'database'>;
  readonly registry: CacheModels;
  readonly siblings: Pick<Siblings, 'askCache'>;
}

/** Returns how many bytes were given up. */
function relieve({ cache, cachedBytes }: CacheOperationsDeps): number {
  const before = cachedBytes();
  cache.relieve();
  return before - cachedBytes();
}

/** @throws INVALID_INPUT when the model has no cache. */
function cachedConfig(models: CacheModels, model: string): ModelConfig {
  const definition = models.definition(model) ?? { config: {} };
  if (hasCache(definition)) return definition.config;
  const message = `model: ${JSON.stringify(model)} has no cache; set "deterministic" or "cache" in its model.json.`;
  throw invalidInput('model', message, 'a model with a cache');
}

/** @throws MODEL_FAILED, MODEL_NOT_READY. */
async function load(models: CacheModels, model: string, version: string): Promise<void> {
  if (models.isReady(model, version)) return;
  await models.warm(model, version);
  if (models.isReady(model, version)) return;
  const { state, reason = 'it was unloaded' } = await models.describe(model, version);
  const code = state === 'failed' ? 'MODEL_FAILED' : 'MODEL_NOT_READY';
  throw new HotpathError(code, `Model ${JSON.stringify(model)} version ${version} cannot be warmed: ${reason}`);
}

function whatToWarm({ file, hours, top }: WarmRequest, { cache }: ModelConfig): CacheWarmConfig {
  const limit = top === undefined ? {} : { top };
  if (file !== undefined || hours !== undefined) {
    return { ...(file === undefined ? {} : { file }), ...(hours === undefined ? {} : { hours }), ...limit };
  }
  const configured = cache === undefined || cache === false ? undefined : cache.warm;
  return { ...(configured ?? { hours: dayHours }), ...limit };
}

/** A warm-up that nobody waits for leaves a line in the log. */
async function report(logger: Logger, job: WarmJob): Promise<void> {
  const { model, version } = job.status();
  try {
    const { state, reason, errors, computed, cached, failed, skipped, elapsedMs } = await job.result;
    const fields = { model, version, computed, cached, failed, skipped, elapsedMs: Math.round(elapsedMs) };
    if (state === 'stopped') logger.info({ ...fields, reason }, 'cache warm-up stopped');
    else if (failed > 0) logger.warn({ ...fields, errors }, 'cache warmed, but not with all inputs');
    else logger.info(fields, 'cache warmed');
  } catch (error) {
    logger.warn({ model, version, err: error }, 'cache not warmed: its inputs could not be read');
  }
}

function describe(cache: Pick<ResponseCache, 'status'>): CacheStatus {
  const { memory, tiers, models } = cache.status();
  const far = tiers.map(({ tier, breaker }): CacheTierStatus => ({ tier, state: breaker }));
  return {
    tiers: memory === undefined ? far : [{ tier: 'memory', state: 'closed', ...memory }, ...far],
    models: models.map(({ model, version, entries, bytes }) => ({ model, version, entries, bytes })),
  };
}

/** Memory is each process's own and adds up; the state of a tier beyond it is the worst that any process sees. */
function addStatus(all: readonly CacheStatus[]): CacheStatus {
  const tiers = new Map<string, CacheTierStatus>();
  for (const { tiers: some } of all) for (const tier of some) tiers.set(tier.tier, addTier(tiers.get(tier.tier), tier));
  const models = new Map<string, CacheStatus['models'][number]>();
  for (const one of all.flatMap((status) => status.models)) {
    const key = `${one.model}/${one.version}`;
    const { entries = 0, bytes = 0 } = models.get(key) ?? {};
    models.set(key, { ...one, entries: one.entries + entries, bytes: one.bytes + bytes });
  }
  return { tiers: [...tiers.values()], models: [...models.values()] };
}

const severity = { closed: 0, 'half-open': 1, open: 2 } as const;

function addTier(sum: CacheTierStatus | undefined, one: CacheTierStatus): CacheTierStatus {
  if (sum === undefined) return one;
  const add = (a: number | undefined, b: number | undefined) => (a === undefined || b === undefined ? a : a + b);
  return {
    tier: one.tier,
    state: severity[one.state] > severity[sum.state] ? one.state : sum.state,
    entries: add(sum.entries, one.entries),
    bytes: add(sum.bytes, one.bytes),
    maxBytes: add(sum.maxBytes, one.maxBytes),
    evictions: add(sum.evictions, one.evictions),
  };
}
