/**
 * Composes the training of networks: the optimizer's trainer, processes that run its steps, and what the training room makes of the result.
 * Called by cli/train.ts, which hands it to trainTable. It starts no server.
 */
import { memoryLimitBytes } from './config/memory-limit.ts';
import { ProcessModelRunner } from './engines/onnx/model-runner.ts';
import type { Mlp } from './optimizer/finetune/mlp/mlp-model.ts';
import type { MlpOptions, TrainedMlp } from './optimizer/finetune/mlp/train-mlp.ts';
import { defaultEpochs, trainMlp } from './optimizer/finetune/mlp/train-mlp.ts';
import type { ModelRunner } from './optimizer/pass.ts';
import { networkModel } from './training/pipeline/network-model.ts';
import type { TrainedModel } from './training/pipeline/trained-model.ts';
import type { ModelOptions, TrainingJob } from './training/train-model.ts';

/** One step's process may take so much of the memory there is; two live at a time. */
const memoryShare = 0.4;

/** @throws INVALID_INPUT for options and rows, MODEL_FAILED where the runtime gives up, CANCELLED by `signal` */
export async function trainNetwork(job: TrainingJob, signal: AbortSignal): Promise<TrainedModel> {
  const runner = new ProcessModelRunner({ memoryBytes: memoryShare * memoryLimitBytes() });
  // A step of a large network takes its time; the process that runs it need not be waited for.
  const onAbort = () => void runner.close();
  signal.addEventListener('abort', onAbort);
  try {
    return await trainWith(runner, job, signal);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await runner.close();
  }
}

/** The same with any runner. */
export async function trainWith(runner: ModelRunner, job: TrainingJob, signal?: AbortSignal): Promise<TrainedModel> {
  const { matrix, target, options, random, onProgress } = job;
  const epochs = options.epochs ?? defaultEpochs;
  const trained = await trainMlp(matrix, target, networkOptions(options), {
    runner,
    random,
    signal,
    onProgress: (share) => onProgress?.(Math.round(share * epochs), epochs),
  });
  return networkModel(trained.mlp, [describe(trained.mlp), roundsNote(trained)]);
}

/** Columns come scaled as the user wants them, by nodes of the same file; targets are scaled for training alone. */
function networkOptions(options: ModelOptions): MlpOptions {
  const { hidden, activation, epochs, batchSize, learningRate, weightDecay, validation, patience } = options;
  const given = { hidden, activation, epochs, batchSize, learningRate, weightDecay, validation, patience };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...(Object.fromEntries(set) as MlpOptions), standardize: 'target' };
}

function describe({ layers, activation }: Mlp): string {
  const widths = [layers[0]!.inputs, ...layers.map(({ outputs }) => outputs)];
  const weights = layers.reduce((sum, layer) => sum + layer.weights.length + layer.bias.length, 0);
  return `Layers of ${widths.join(', ')} numbers with ${activation} between them; ${weights} weights.`;
}

function roundsNote({ epochs, bestEpoch }: TrainedMlp): string {
  const ran = `${epochs} ${epochs === 1 ? 'round' : 'rounds'} over the rows`;
  if (bestEpoch === epochs) return `${ran}.`;
  return `${ran}; the weights are those of round ${bestEpoch}, where the loss on the rows held back was lowest.`;
}
