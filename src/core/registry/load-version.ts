/**
 * Brings one version from file to ready: digest, probe, plan, room in the budget, engine, warm-up, batcher. Called by the
 * loader for lazy loads and reloads alike. When it fails or is cancelled in the middle, it leaves nothing behind.
 */
import type { EngineModel, ProbeReport } from '../../ports/engine.ts';
import type { ModelFile } from '../../ports/model-source.ts';
import type { CostModel } from '../batching/cost-model.ts';
import { HotpathError } from '../errors.ts';
import type { Declared } from '../runner.ts';
import type { CancelToken, ModelView, Priority } from '../types.ts';
import { cacheIdentityOf } from './cache-identity.ts';
import { resolveDeclared } from './declared-parts.ts';
import { runDeclaredWarmUps } from './declared-warm-up.ts';
import type { ModelRunner, OpenFeatures } from './dependencies.ts';
import { probeSpec } from './engine-spec.ts';
import { loadPipeline } from './load-pipeline.ts';
import { type LoadContext, type LoadRequest, loadKey } from './load-request.ts';
import { LoadedModel } from './loaded-model.ts';
import type { Reservation } from './memory-room.ts';
import { openFeatures } from './open-features.ts';
import { batchLimitMs, deriveMaxBatchSize, deriveSloMs, type Plan, planModel } from './plan.ts';
import { applyTuning, fitBatch, type Tuned } from './tuning.ts';
import { learnCost, powersOfTwo, type WarmUpResult, warmUp } from './warm-up.ts';

/** The largest batch the sweep tries when nothing limits it. */
const maxSweepRows = 256;

/** @throws MODEL_FAILED and whatever the engine throws; CANCELLED after the token was cancelled. */
export async function loadVersion<R extends ModelRunner>(
  context: LoadContext<R>,
  written: LoadRequest,
  token: CancelToken,
): Promise<LoadedModel<R>> {
  const { engine, source, clock } = context.deps;
  const { file, name } = written;
  const startedMs = clock.now();
  if (written.config.pipeline !== undefined) return loadPipeline(context, written, written.config.pipeline);
  refuseUnloadable(file);
  const digest = await source.digest(file);
  const tuned = applyTuning(written, digest);
  const { config } = tuned;
  const request = { ...written, config };
  const spec = probeSpec(request, digest, context.options.runTimeoutMs);
  checkCancelled(token);
  const report = await engine.probe(spec);
  checkCancelled(token);
  const declared = await resolveDeclared(source, name, request.triton, report.signature);
  const plan = planModel(report, config, context.options.cores);
  const keep = request.replaces ? name : undefined;
  const reservation = await context.room.reserve({ model: name, bytes: plan.memoryBytes, keep }, token);
  if (reservation === undefined) throw cancelled();
  // A load given up may hang in the engine for good: its bytes count on, but nobody waits for them.
  token.onCancel = () => reservation.standby();
  let engineModel: EngineModel | undefined;
  try {
    checkCancelled(token);
    const { instances, intraOpThreads } = plan;
    engineModel = await engine.load(
      { ...spec, instances, intraOpThreads, batched: plan.batching.enabled },
      report.signature,
    );
    checkCancelled(token);
    const warm = await sweep(context, request, report, plan, engineModel);
    checkCancelled(token);
    const warmNotes = await warmAsDeclared(context, request, engineModel, declared);
    checkCancelled(token);
    if ((await source.digest(file)) !== digest) throw failed('The file changed while it was loaded.');
    checkCancelled(token);
    const configKey = loadKey(written);
    const parts = {
      report,
      plan,
      engineModel,
      warm,
      warmNotes,
      declared,
      digest,
      reservation,
      startedMs,
      tuned,
      configKey,
    };
    const view = viewOf(request, parts);
    return assemble(context, request, view, { ...parts, features: await openFeatures(context.deps, config, view) });
  } catch (error) {
    await engineModel?.close().catch(() => {});
    reservation.free();
    throw error;
  }
}

function refuseUnloadable(file: ModelFile): void {
  if (file.problem !== undefined) throw failed(file.problem);
  if (file.sizeBytes === 0) throw failed('The file model.onnx is empty.');
}

async function sweep<R extends ModelRunner>(
  { deps, options }: LoadContext<R>,
  { config }: LoadRequest,
  report: ProbeReport,
  plan: Plan,
  { instances, signature }: EngineModel,
): Promise<WarmUpResult> {
  const { trialShapes } = report;
  if (trialShapes === undefined) return { samples: [], failed: false, notes: [] };
  const configured = config.warmupRows?.toSorted((a, b) => a - b);
  const derived = powersOfTwo(Math.min(maxSweepRows, config.maxBatchSize ?? maxSweepRows));
  const rows = plan.batching.enabled ? (configured ?? derived) : configured?.length === 0 ? [] : [1];
  return warmUp({
    clock: deps.clock,
    instances,
    signature,
    trialShapes,
    rows,
    // Rows the operator asked for all run; the load's own time limit is their bound.
    limitMs: (oneRowMs) =>
      configured === undefined ? batchLimitMs(deriveSloMs(config, options.sloMs, oneRowMs)) : Number.POSITIVE_INFINITY,
    ...(configured === undefined ? {} : { budgetMs: Number.POSITIVE_INFINITY }),
  });
}

async function warmAsDeclared<R extends ModelRunner>(
  { deps: { source } }: LoadContext<R>,
  { name: model, triton }: LoadRequest,
  engineModel: EngineModel,
  declared: Declared,
): Promise<readonly string[]> {
  if (triton === undefined || triton.warmup.length === 0) return [];
  const batched = triton.maxBatchSize > 0;
  return runDeclaredWarmUps({ source, model, warmups: triton.warmup, engineModel, declared, batched });
}

interface Loaded {
  readonly report: ProbeReport;
  readonly plan: Plan;
  readonly engineModel: EngineModel;
  readonly warm: WarmUpResult;
  readonly warmNotes: readonly string[];
  readonly declared: Declared;
  readonly digest: string;
  readonly reservation: Reservation;
  readonly startedMs: number;
  readonly tuned: Tuned;
  /** Of the configuration as it is written. */
  readonly configKey: string;
  readonly features: OpenFeatures | undefined;
}

function assemble<R extends ModelRunner>(
  { deps, options }: LoadContext<R>,
  request: LoadRequest,
  view: ModelView,
  loaded: Loaded,
): LoadedModel<R> {
  const { report, plan, engineModel, warm, declared, digest, reservation, startedMs, tuned, configKey, features } =
    loaded;
  const { name, file, config, notes = [] } = request;
  const measured = warm.samples.length > 0 || report.singleRunMs !== undefined;
  const cost = learnCost(warm.samples, report.singleRunMs);
  const sloMs = deriveSloMs(config, options.sloMs, measured ? cost.estimateMs(1) : undefined);
  const batchable = plan.batching.enabled;
  // A single run says nothing about the slope, so only a sweep of two sizes may size batches.
  const sizing = warm.samples.length > 1 ? cost : undefined;
  const sized = fitBatch(tuned, sloMs);
  const maxBatchSize = batchable ? capFailed(largestBatch(sized.config, report, sizing, sloMs), warm) : 1;
  const telemetry = deps.telemetry.forModel(name, file.version);
  const runner = deps.createBatcher({
    model: { ...view, signature: engineModel.signature },
    ...declared,
    view,
    cache: cacheIdentityOf(request, digest),
    instances: engineModel.instances,
    clock: deps.clock,
    telemetry,
    cost,
    batchable,
    maxBatchSize,
    maxDelayMs: config.maxDelayMs,
    sloMs,
    maxQueueRows: config.maxQueueRows ?? options.maxQueueRows,
    maxQueueBytes: options.maxQueueBytes,
  });
  reservation.standby();
  return new LoadedModel({
    view,
    runner,
    telemetry,
    engineModel,
    plan,
    cost,
    maxBatchSize,
    maxDelayMs: config.maxDelayMs,
    sloMs,
    digest,
    configKey,
    features,
    reservation,
    loadMs: deps.clock.now() - startedMs,
    notes: [
      ...plan.notes,
      ...notes,
      ...sized.notes,
      ...warm.notes,
      ...loaded.warmNotes,
      ...budgetNotes(reservation, options.memoryBudget),
    ],
    logger: deps.logger,
  });
}

/** As clients see it. */
function viewOf(
  request: LoadRequest,
  { declared, engineModel, plan }: Pick<Loaded, 'declared' | 'engineModel' | 'plan'>,
): ModelView {
  const { name, file, config, outputLabels } = request;
  return {
    name,
    version: file.version,
    signature: declared.presentation?.signature ?? engineModel.signature,
    batchable: plan.batching.enabled,
    labels: config.classNames,
    outputLabels,
    defaultPriority: defaultPriorityOf(request),
    nan: config.nan ?? 'reject',
  };
}

/** An engine that knows its own limit need not be measured. */
function largestBatch(
  config: LoadRequest['config'],
  { maxBatchSize: limit }: ProbeReport,
  cost: CostModel | undefined,
  sloMs: number,
): number {
  if (limit === undefined) return deriveMaxBatchSize(config, cost, sloMs);
  return Math.min(config.maxBatchSize ?? limit, limit);
}

/** Levels of a `config.pbtxt` start at 1. */
function defaultPriorityOf({ triton }: LoadRequest): Priority | undefined {
  const level = triton?.priorities?.defaultLevel;
  return level === undefined ? undefined : (Math.min(level - 1, 3) as Priority);
}

/** Never larger than what was seen to run. */
function capFailed(maxBatchSize: number, { failed, samples }: WarmUpResult): number {
  return failed ? Math.min(maxBatchSize, samples.at(-1)?.rows ?? 1) : maxBatchSize;
}

function budgetNotes({ overBudget, bytes }: Reservation, budget: number): string[] {
  if (!overBudget) return [];
  const mebibytes = (count: number) => `${(count / 2 ** 20).toFixed(1)} MiB`;
  if (budget > 0 && bytes > budget) {
    return [`Needs about ${mebibytes(bytes)}, more than the whole memory budget of ${mebibytes(budget)}.`];
  }
  return ['Loaded over the budget: nothing else could be evicted.'];
}

function checkCancelled(token: CancelToken): void {
  if (token.cancelled) throw cancelled();
}

function cancelled(): HotpathError {
  return new HotpathError('CANCELLED', 'The load was given up.');
}

function failed(reason: string): HotpathError {
  return new HotpathError('MODEL_FAILED', reason);
}
