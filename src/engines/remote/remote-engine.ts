/**
 * The engine port over other servers of the Open Inference Protocol. Made by the composition root, which sends it the models whose
 * configuration names upstreams. Asks for a model's metadata to learn its signature, and once for a prediction to learn its cost.
 */
import { HotpathError } from '../../core/errors.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { Engine, EngineModel, EngineSpec, ProbeReport } from '../../ports/engine.ts';
import type { Logger } from '../../ports/logger.ts';
import type { UpstreamPoolStatus } from '../../ports/pool-status.ts';
import { RemoteInstance } from './remote-instance.ts';
import { SharedTransports } from './shared-transports.ts';
import type { UpstreamMetadata } from './transport.ts';
import { runTrial, type Trial } from './trial-run.ts';
import { toUpstreamFailure, type UpstreamFailure } from './upstream-failure.ts';
import { UpstreamPool } from './upstream-pool.ts';
import { type UpstreamSettings, upstreamSettings } from './upstream-settings.ts';

export interface RemoteEngineOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface RemoteEngine extends Engine {
  /** Every pool of this process, by model and version in the order of loading. */
  poolStatus(): readonly UpstreamPoolStatus[];
}

/** Batches make up for few calls at a time; without them each request is a call of its own. */
const batchedInFlight = 4;
const unbatchedInFlight = 64;

export function createRemoteEngine(options: RemoteEngineOptions): RemoteEngine {
  const transports = new SharedTransports(options.clock);
  const pools = new Map<EngineModel, UpstreamPool>();
  let closed = false;
  const refuseIfClosed = (): void => {
    if (closed) throw new HotpathError('SHUTTING_DOWN', 'The engine is stopping.');
  };
  return {
    async probe(spec) {
      refuseIfClosed();
      const { metadata, trial } = await askAny(upstreamSettings(spec), transports, options.clock);
      return reportOf(metadata, trial);
    },

    async load(spec, signature) {
      refuseIfClosed();
      const { model, pool } = openModel(spec, signature, options, transports, () => pools.delete(model));
      pools.set(model, pool);
      return model;
    },

    async close() {
      closed = true;
      await Promise.all([...pools.keys()].map((model) => model.close()));
    },

    poolStatus() {
      return [...pools.values()].map((pool) => pool.status());
    },
  };
}

function openModel(
  spec: EngineSpec,
  signature: EngineModel['signature'],
  { clock, random, logger }: RemoteEngineOptions,
  transports: SharedTransports,
  onClosed: () => void,
): { model: EngineModel; pool: UpstreamPool } {
  const settings = upstreamSettings(spec);
  const { name, version } = spec;
  const pool = new UpstreamPool({
    name,
    version,
    settings,
    maxInFlightPerAddress: settings.maxInFlightPerAddress ?? (spec.batched ? batchedInFlight : unbatchedInFlight),
    createTransport: (target, maxConnections) => transports.open(target, maxConnections),
    clock,
    random,
    logger,
  });
  const remote = {
    model: settings.model,
    version: settings.version,
    signature,
    outputNames: signature.outputs.map((output) => output.name),
    pool,
    clock,
  };
  const instances = Array.from({ length: pool.capacity }, (_, id) => new RemoteInstance(id, remote));
  const model: EngineModel = {
    signature,
    instances,
    executionProvider: 'remote',
    async close() {
      await Promise.all(instances.map((instance) => instance.close()));
      pool.close();
      onClosed();
    },
  };
  return { model, pool };
}

/** The first address that knows the model speaks for all. @throws MODEL_FAILED, or MODEL_NOT_READY when none answers. */
async function askAny(
  settings: UpstreamSettings,
  shared: SharedTransports,
  clock: Clock,
): Promise<{ metadata: UpstreamMetadata; trial: Trial }> {
  const { addresses, model, version, timeoutMs } = settings;
  const transports = addresses.map((target) => shared.open({ ...target, minConnections: 0 }, 1));
  const asked = transports.map(async (transport) => {
    return { transport, metadata: await transport.metadata(model, version, timeoutMs) };
  });
  try {
    const { transport, metadata } = await Promise.any(asked).catch((error: AggregateError) => {
      throw noneAnswered(error.errors.map(toUpstreamFailure));
    });
    return { metadata, trial: await runTrial(transport, { model, version }, metadata.signature, clock, timeoutMs) };
  } finally {
    for (const transport of transports) transport.close();
  }
}

function noneAnswered(failures: readonly UpstreamFailure[]): HotpathError {
  const unserved = failures.find(({ error }) => error.code === 'MODEL_FAILED');
  if (unserved !== undefined) return unserved.error;
  // Those who answered tell more than those who did not.
  const { message } = failures.find(({ kind }) => kind !== 'unreachable') ?? failures[0]!;
  const who = failures.length === 1 ? 'The upstream does not serve' : `None of the ${failures.length} upstreams serves`;
  return new HotpathError('MODEL_NOT_READY', `${who} the model: ${message}`, { retryAfterSeconds: 1 });
}

function reportOf({ signature, maxBatchSize }: UpstreamMetadata, { singleRunMs, notes }: Trial): ProbeReport {
  const batches = maxBatchSize !== undefined && maxBatchSize > 0;
  const reason =
    maxBatchSize === undefined
      ? 'The upstream does not say whether it batches; "batching": "force" joins requests all the same.'
      : 'The upstream does not batch this model (max_batch_size 0); "batching": "force" joins requests all the same.';
  return {
    signature,
    batch: batches ? { safe: true } : { safe: false, reason },
    singleRunMs,
    // No sweep over batch sizes: other clients need the upstreams too.
    trialShapes: undefined,
    memoryBytes: 0,
    notes: ['Runs on upstream servers.', ...notes],
    executionProvider: 'remote',
    ...(batches ? { maxBatchSize } : {}),
  };
}
