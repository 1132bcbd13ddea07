/**
 * Brings a pipeline to ready: its models are loaded, their signatures fitted together. Called by load-version.ts for entries that
 * have a pipeline in the place of a file. It keeps none of the models: each request takes its own leases.
 */
import type { EngineModel } from '../../ports/engine.ts';
import type { ModelSource, PipelineConfig, PipelineStep } from '../../ports/model-source.ts';
import { CostModel } from '../batching/cost-model.ts';
import { HotpathError } from '../errors.ts';
import { planPipeline } from '../pipeline/pipeline-plan.ts';
import type { ModelView } from '../types.ts';
import { resolveDeclared } from './declared-parts.ts';
import type { ModelRunner } from './dependencies.ts';
import { type LoadContext, type LoadRequest, loadKey } from './load-request.ts';
import { LoadedModel } from './loaded-model.ts';
import type { Reservation } from './memory-room.ts';
import { openFeatures } from './open-features.ts';
import type { Plan } from './plan.ts';

/** @throws MODEL_FAILED; what loading a step's model throws, naming the step. */
export async function loadPipeline<R extends ModelRunner>(
  context: LoadContext<R>,
  request: LoadRequest,
  config: PipelineConfig,
): Promise<LoadedModel<R>> {
  const { deps } = context;
  const startedMs = deps.clock.now();
  await refuseCircle(deps.source, [request.name], config, new Set());
  const steps = await meetSteps(context, config);
  const plan = planPipeline(
    config,
    steps.map(({ view }) => view),
  );
  const { presentation } = await resolveDeclared(deps.source, request.name, request.triton, plan.signature);
  const view: ModelView = {
    name: request.name,
    version: request.file.version,
    signature: presentation?.signature ?? plan.signature,
    batchable: steps.every(({ view }) => view.batchable),
    labels: request.config.classNames,
    outputLabels: request.outputLabels,
    nan: request.config.nan ?? (steps.every(({ view }) => view.nan === 'allow') ? 'allow' : 'reject'),
  };
  const { sloMs } = request.config;
  if (deps.createPipeline === undefined) throw failed('Pipelines are not served here.');
  const runner = deps.createPipeline({ model: view, plan, clock: deps.clock, sloMs, presentation });
  return new LoadedModel({
    view,
    runner,
    telemetry: deps.telemetry.forModel(view.name, view.version),
    engineModel: withoutInstances(view),
    plan: nothingToPlan,
    cost: new CostModel(),
    maxBatchSize: 1,
    maxDelayMs: undefined,
    sloMs: sloMs ?? steps.reduce((sum, step) => sum + step.sloMs, 0),
    digest: '',
    configKey: loadKey(request),
    features: await openFeatures(deps, request.config, view),
    reservation: weightless,
    loadMs: deps.clock.now() - startedMs,
    notes: request.notes ?? [],
    logger: deps.logger,
  });
}

/**
 * A pipeline takes no place in the memory budget and is never evicted: its requests hold it while their steps wait for room, which
 * would then wait for the requests.
 */
const weightless: Reservation = {
  bytes: 0,
  overBudget: false,
  standby() {},
  ready() {},
  closing() {},
  free() {},
};

const nothingToPlan: Plan = {
  instances: 0,
  intraOpThreads: 0,
  batching: { enabled: false, reason: 'A pipeline: each of its models joins requests by itself.' },
  memoryBytes: 0,
  notes: [],
};

function withoutInstances({ signature }: ModelView): EngineModel {
  return { signature, instances: [], executionProvider: 'cpu', close: async () => {} };
}

/** A pipeline that contains itself would wait for its own load. `path`: the pipelines above. */
async function refuseCircle(
  source: ModelSource,
  path: readonly string[],
  { steps }: PipelineConfig,
  done: Set<string>,
): Promise<void> {
  for (const { model } of steps) {
    if (path.includes(model)) throw failed(`The pipeline contains itself: ${[...path, model].join(' → ')}.`);
    if (done.has(model)) continue;
    const pipeline = (await source.find(model))?.config.pipeline;
    if (pipeline !== undefined) await refuseCircle(source, [...path, model], pipeline, done);
    done.add(model);
  }
}

interface KnownStep {
  readonly view: ModelView;
  readonly sloMs: number;
}

/**
 * Loads each step's model and gives it back at once: a lease held while another model waits for room would keep that room from
 * coming free.
 */
async function meetSteps<R extends ModelRunner>(
  { acquire }: LoadContext<R>,
  { steps }: PipelineConfig,
): Promise<KnownStep[]> {
  const meet = async ({ model, version }: PipelineStep, index: number): Promise<KnownStep> => {
    try {
      const lease = await acquire(model, version);
      const { view, parts } = lease.model;
      lease.release();
      return { view, sloMs: parts.sloMs };
    } catch (error) {
      if (!(error instanceof HotpathError)) throw error;
      throw failed(`Step ${index + 1} of the pipeline, "${model}": ${error.message}`);
    }
  };
  return Promise.all(steps.map(meet));
}

function failed(reason: string): HotpathError {
  return new HotpathError('MODEL_FAILED', reason);
}
