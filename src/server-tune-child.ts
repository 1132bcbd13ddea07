/**
 * Entry of the process that has one setting of a model open while `tune` measures it. Started by server-tune-process.ts, which sends it
 * one question at a time. It runs the engine and the batcher of the server; it dies with its parent, and may die of the model.
 */
import { systemClock } from './adapters/system-clock.ts';
import { HotpathError } from './core/errors.ts';
import { batchLimitMs, deriveSloMs } from './core/registry/plan.ts';
import { powersOfTwo, warmUp } from './core/registry/warm-up.ts';
import { seededRandom } from './core/seeded-random.ts';
import type { Signature, Tensor } from './core/tensor.ts';
import { createOnnxEngine } from './engines/onnx/onnx-engine.ts';
import { randomTensor } from './engines/onnx/trial-values.ts';
import { type OpenLoopJob, type OpenLoopResult, runOpenLoop } from './optimizer/tune/open-loop.ts';
import { type OpenedModel, type SaturateJob, type Saturation, saturate } from './optimizer/tune/saturate.ts';
import type { EngineSpec } from './ports/engine.ts';
import type { ModelConfig } from './ports/model-source.ts';

export interface OpenJob {
  readonly spec: EngineSpec;
  readonly signature: Signature;
  readonly trialShapes: readonly (readonly number[])[];
  readonly batchable: boolean;
  readonly config: Pick<ModelConfig, 'maxBatchSize' | 'sloMs'>;
  readonly serverSloMs: number;
  readonly loadTimeoutMs: number;
}

export interface WarmReading {
  readonly rows: number;
  readonly ms: number;
}

export type TuneQuestion =
  | { readonly kind: 'open'; readonly job: OpenJob }
  | { readonly kind: 'saturate'; readonly job: SaturateJob }
  | { readonly kind: 'open-loop'; readonly job: OpenLoopJob };

export type TuneReply =
  | { readonly opened: readonly WarmReading[] }
  | { readonly saturation: Saturation }
  | { readonly measured: OpenLoopResult }
  | { readonly failed: string };

const differentRows = 32;
const maxSweepRows = 256;
let opened: OpenedModel | undefined;

async function open(job: OpenJob): Promise<readonly WarmReading[]> {
  const { spec, signature, trialShapes, batchable, config } = job;
  const ignore = () => {};
  const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const engine = createOnnxEngine({ logger, cacheDir: '', probeTimeoutMs: job.loadTimeoutMs });
  const { instances, executionProvider } = await engine.load(spec, signature);
  if (executionProvider !== spec.executionProviders[0]) {
    throw new HotpathError('MODEL_FAILED', `It ran on ${executionProvider}.`);
  }
  const random = seededRandom(1);
  const rows = Array.from({ length: differentRows }, () =>
    signature.inputs.map(({ datatype }, index): Tensor => randomTensor(datatype, trialShapes[index]!, 1, random)),
  );
  const view = {
    name: spec.name,
    version: spec.version,
    signature,
    batchable,
    labels: undefined,
    outputLabels: undefined,
    defaultPriority: undefined,
    nan: 'reject' as const,
  };
  opened = { view, instances, batchable, rows, clock: systemClock, random };
  // The sweep of a load, so that what a load would derive from it is known.
  const { samples } = await warmUp({
    clock: systemClock,
    instances,
    signature,
    trialShapes,
    rows: batchable ? powersOfTwo(Math.min(maxSweepRows, config.maxBatchSize ?? maxSweepRows)) : [1],
    limitMs: (oneRowMs) => batchLimitMs(deriveSloMs(config, job.serverSloMs, oneRowMs)),
  });
  return samples;
}

async function answer(question: TuneQuestion): Promise<TuneReply> {
  if (question.kind === 'open') return { opened: await open(question.job) };
  if (opened === undefined) throw new HotpathError('INTERNAL', 'Nothing is open.');
  if (question.kind === 'saturate') return { saturation: await saturate(opened, question.job) };
  return { measured: await runOpenLoop(opened, question.job) };
}

process.on('message', (question: TuneQuestion) => {
  answer(question).then(
    (reply) => process.send?.(reply),
    (error: unknown) => {
      if (!(error instanceof HotpathError)) throw error;
      process.send?.({ failed: error.message } satisfies TuneReply);
    },
  );
});

// Ctrl-C reaches the whole group; the parent decides.
process.on('SIGINT', () => {});
// A thread in native code would hold up a polite exit.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
