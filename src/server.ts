/**
 * The composition root: the only file that knows every adapter. Reads top to bottom in the order of the start; the way back
 * is in the reverse order of the flow: listeners, batchers, engines, telemetry. Called by the CLI and by tests.
 */
import { resolve } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { OverlaySource } from './adapters/filesystem/overlay-source.ts';
import { systemClock } from './adapters/system-clock.ts';
import type { RunningServer, ServerOptions } from './cli/server-contract.ts';
import { parseModelConfig } from './config/model-config.ts';
import { readTuning } from './config/tuning-file.ts';
import { packageVersion } from './config/version.ts';
import { InFlightLimiter } from './core/admission/in-flight.ts';
import { infer } from './core/infer.ts';
import { ModelRegistry } from './core/registry/registry.ts';
import { createPipeline, createRunner, type Runner } from './core/runner.ts';
import type { InferCall } from './core/types.ts';
import { createFakeEngine } from './engines/fake/fake-engine.ts';
import { createOnnxEngine } from './engines/onnx/onnx-engine.ts';
import { interpretTabular } from './handlers/tabular.ts';
import { createLogger, type LeveledLogger, type LogLevel } from './observability/logging.ts';
import { createMetrics } from './observability/metrics.ts';
import { createProfiler } from './observability/profiling.ts';
import type { TritonCounters } from './observability/triton-statistics.ts';
import type { Invalidation } from './ports/cache-store.ts';
import type { Engine } from './ports/engine.ts';
import { createAdminServer } from './protocols/admin/admin-server.ts';
import type { LoadRequest } from './protocols/oip/repository.ts';
import type { ModelStatisticsSource } from './protocols/oip/statistics.ts';
import { createRestServer } from './protocols/rest/rest-server.ts';
import { registryOptions } from './server-budget.ts';
import { type CacheQuestion, operateCache } from './server-cache.ts';
import { selectEngine } from './server-engines.ts';
import { lazyGrpc } from './server-grpc.ts';
import { describeHealth } from './server-health.ts';
import { tunedMachine } from './server-machine.ts';
import { OverridableCatalog } from './server-overrides.ts';
import { linkSiblings } from './server-siblings.ts';
import { openStores, type Stores } from './server-stores.ts';
import { runTasks } from './server-tasks.ts';
import { lazyTriton, renderTriton } from './server-triton.ts';

/** What tests may put in the place of the real thing. */
export interface ServerHooks {
  readonly logDestination?: { write(line: string): void };
  /** Sees every engine thread started, so that a test can end threads from outside. */
  readonly onEngineThread?: (worker: Worker) => void;
}

/**
 * Starts listening, then loads what must be loaded; resolves when the server is ready.
 * @throws EADDRINUSE and the like; nothing is left running then.
 */
export async function startServer(options: ServerOptions, hooks: ServerHooks = {}): Promise<RunningServer> {
  const { config } = options;
  const clock = systemClock;
  const logger = createLogger({
    level: config.logLevel as LogLevel,
    ...(hooks.logDestination === undefined ? {} : { destination: hooks.logDestination }),
  });
  // Redis and the database are dialled meanwhile; a prediction log or keys that need one wait for it.
  const invalidations: InvalidationOutlet = { tell: async () => {} };
  const stores = await openStores({ config, clock, logger, tellSiblings: (one) => invalidations.tell(one) });
  try {
    return await startBehind({ stores, invalidations, logger }, options, hooks);
  } catch (error) {
    await stores.close();
    throw error;
  }
}

/** Where dropped answers are told to siblings, once there is a link to them. */
interface InvalidationOutlet {
  tell: (invalidation: Invalidation) => Promise<void>;
}

interface Behind {
  readonly stores: Stores;
  readonly invalidations: InvalidationOutlet;
  readonly logger: LeveledLogger;
}

async function startBehind(
  { stores, invalidations, logger }: Behind,
  { config, link }: ServerOptions,
  hooks: ServerHooks,
): Promise<RunningServer> {
  const clock = systemClock;
  const version = packageVersion();
  const metrics = createMetrics({
    snapshot: () => registry.snapshot(),
    stores: () => ({ ...stores.figures(), tasks: tasks?.counts, upstreams: engine.poolStatus() }),
    clock,
    nv: config.metricsNv,
    version,
  });
  const { telemetry } = metrics;

  const local: Engine =
    config.engine === 'fake'
      ? createFakeEngine({ clock })
      : createOnnxEngine({
          logger,
          cacheDir: config.cacheDir === '' ? '' : resolve(config.cacheDir),
          probeTimeoutMs: config.loadTimeoutMs,
          onRestart: (cause, model) => telemetry.forModel(model.name, model.version).workerRestarted(cause),
          onWorkerStart: hooks.onEngineThread,
        });
  const engine = selectEngine(local, { clock, random: Math.random, logger });
  const triton = lazyTriton(logger);
  const limits = registryOptions(config);
  const machine = tunedMachine(limits.cores);
  const source = new OverlaySource({
    root: resolve(config.models),
    parseConfig: parseModelConfig,
    readTuning: (text) => readTuning(text, machine),
    triton,
    clock,
  });
  const registry: ModelRegistry<Runner> = new ModelRegistry<Runner>(
    {
      source,
      engine,
      clock,
      telemetry,
      logger,
      createBatcher: (parts) => stores.cached.wrap(createRunner({ ...parts, random: Math.random }), parts),
      createPipeline: (parts) => createPipeline({ ...parts, infer: (call) => infer(unrecorded, call) }),
      openFeatures: (model, features, inputs) => stores.features.open(model, features, inputs),
      onReady: (model, modelVersion, modelConfig) => {
        stores.cached.ready(model, modelVersion);
        cacheOperations.modelReady(model, modelVersion, modelConfig);
      },
    },
    limits,
  );
  const catalog = new OverridableCatalog({ registry, source, reader: triton, logger });
  const own = {
    catalog,
    overrides: () => source.overrides(),
    logger,
    metrics,
    answerCache: (question: CacheQuestion) => cacheOperations.answer(question),
    dropCached: (invalidation: Invalidation) => stores.bus.deliver(invalidation),
  };
  const siblings = linkSiblings(link, own, config.loadTimeoutMs);
  invalidations.tell = (one) => siblings.tellInvalidation(one);

  let state: 'starting' | 'ready' | 'draining' = 'starting';
  let answered = 0;
  const defaultModel = () => registry.defaultModel;
  // Steps of pipelines and warm-ups are no predictions of anybody.
  const unrecorded = { clock, acquire: registry.acquire.bind(registry), defaultModel };
  const deps = { ...unrecorded, recorder: stores.predictions?.recorder };
  const cacheOperations = operateCache({
    config,
    clock,
    logger,
    stores,
    registry,
    source,
    siblings,
    infer: (call) => infer(unrecorded, call),
  });
  const tasks = runTasks({ config, clock, logger, stores, registry, source, siblings });
  const shared = {
    clock,
    logger,
    telemetry,
    catalog: siblings.catalog,
    loadOverride: (request: LoadRequest) => siblings.loadOverride(request),
    warm: (model: string, version: string | undefined) => registry.warm(model, version),
    infer: (call: InferCall) => infer(deps, call),
    writtenConfig: (model: string, instances: number) => renderTriton(registry.definition(model)?.triton, instances),
    extensions: ['sequence'],
    inFlight: new InFlightLimiter(config),
    access: stores.access?.guard,
    audit: stores.database?.audit,
    version,
    health: () => describeHealth({ state, version, performance: metrics.performance(), models: registry.snapshot() }),
    statistics: async () => countersByModel(await siblings.statistics()),
    logLevel: () => logger.level,
    setLogLevel: (level: LogLevel) => siblings.setLogLevel(level),
    onAnswered: () => {
      answered++;
    },
  };
  const rest = createRestServer({
    ...shared,
    config,
    interpret: interpretTabular,
    metrics: () => siblings.exposition(),
    defaultModel,
    predictions: stores.predictions?.reader,
    issueToken: stores.access?.issueToken,
    jwks: stores.access?.jwks,
  });
  const grpc = config.grpcEnabled
    ? lazyGrpc({ ...shared, config, random: Math.random, control: config.modelControl })
    : undefined;
  const profiler = createProfiler(clock);
  const admin = config.adminEnabled
    ? createAdminServer({
        config,
        logger,
        catalog: siblings.catalog,
        setLogLevel: (level) => siblings.setLogLevel(level),
        pools: () => ({ upstreams: engine.poolStatus(), pools: stores.pools() }),
        cache: cacheOperations,
        tasks: tasks?.admin,
        access: stores.access?.guard,
        keys: stores.access?.keyAdmin,
        audit: stores.database?.audit,
        profileCpu: (seconds) => profiler.profileCpu(seconds),
        profileHeap: (seconds) => profiler.profileHeap(seconds),
      })
    : undefined;

  let drained: Promise<void> | undefined;
  let closed: Promise<void> | undefined;
  const drain = async (): Promise<void> => {
    state = 'draining';
    rest.startDraining();
    // At once: what is still asked needs the cores, and a process that takes over may go on with the task.
    const tasksClosed = tasks?.close();
    await cacheOperations.close();
    await delay(config.shutdownDelayMs);
    await Promise.all([rest.close(), grpc?.close(), admin?.close(), tasksClosed]);
  };
  const close = async (): Promise<void> => {
    state = 'draining';
    await cacheOperations.close();
    await Promise.all([rest.destroy(), grpc?.destroy(), admin?.destroy(), tasks?.close()]);
    await registry.close();
    await engine.close();
    await stores.close();
    await source.close();
    metrics.close();
    logger.flush();
  };
  const running = {
    drain: () => {
      drained ??= drain();
      return drained;
    },
    close: () => {
      closed ??= close();
      return closed;
    },
    requestCount: () => answered,
  };

  try {
    if (config.modelControl === 'explicit') await siblings.adoptOverrides();
    // Models load while the listeners come up.
    const loaded = Promise.all([registry.start(), registry.warm()]);
    const [listening, grpcListening, adminListening] = await Promise.all([
      rest.listen(),
      grpc?.listen(),
      admin?.listen(),
      loaded,
    ]);
    state = 'ready';
    tasks?.start();
    return { ...running, url: listening.url, grpcUrl: grpcListening?.url, adminUrl: adminListening?.url };
  } catch (error) {
    await running.close();
    throw error;
  }
}

function countersByModel(all: readonly TritonCounters[]): ModelStatisticsSource {
  const byName = new Map(all.map((one) => [`${one.model}/${one.version}`, one]));
  return { counters: (model, version) => byName.get(`${model}/${version}`) };
}

function delay(ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
