/**
 * Trains a perceptron for classification or regression from a matrix of features, with training steps that ONNX Runtime runs:
 * mini-batches, Adam, a falling learning rate, early stopping on held-out rows. Called by server-train.ts. The same seed gives
 * the same model on the same machine and runtime.
 */
import { HotpathError, invalidInput } from '../../../core/errors.ts';
import { encodeModel } from '../../../onnx-file/encode.ts';
import { Graph } from '../../graph/graph.ts';
import type { Dataset, PassContext } from '../../pass.ts';
import { rowBatches } from '../row-batches.ts';
import { RowSource } from '../row-source.ts';
import { buildStepGraph } from '../step-graph.ts';
import type { TargetRows } from '../targets.ts';
import type { Trained } from '../train-loop.ts';
import { trainSteps } from '../train-loop.ts';
import type { Activation, Mlp } from './mlp-model.ts';
import { mlpToOnnx, randomMlp } from './mlp-model.ts';
import { foldInputScale, foldOutputScale, measureColumns, type Scale, scaleColumns } from './standardize.ts';

/** As the trainers' matrix: row-major, [rows, columns]. */
export interface MlpFeatures {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

export type MlpTarget =
  | { readonly task: 'classification'; readonly labels: ArrayLike<number>; readonly classCount: number }
  | { readonly task: 'regression'; readonly values: ArrayLike<number> };

export interface MlpOptions {
  /** Widths of the hidden layers; none gives a linear model. @default [64, 64] */
  readonly hidden?: readonly number[];
  /** @default 'relu' */
  readonly activation?: Activation;
  /** Most rounds over the rows; early stopping may end before. @default 100 */
  readonly epochs?: number;
  /** @default 32 to 256, growing with the rows */
  readonly batchSize?: number;
  /** Of Adam at the start. @default 0.002 */
  readonly learningRate?: number;
  /** Decoupled, of weights but not of biases. @default 0.01 */
  readonly weightDecay?: number;
  /** Part of the rows held back to decide when to stop; 0 trains all rounds on all rows. @default 0.1 */
  readonly validation?: number;
  /** Rounds without a better loss on the rows held back, after which training stops. @default 10 */
  readonly patience?: number;
  /**
   * Scales features and targets of a regression (or targets alone) to deviation 1; the model takes and gives plain ones all the same.
   * @default true
   */
  readonly standardize?: boolean | 'target';
}

export interface TrainedMlp {
  readonly mlp: Mlp;
  readonly epochs: number;
  readonly stoppedEarly: boolean;
  /** The round whose weights these are: the best on the rows held back, the last without such. */
  readonly bestEpoch: number;
  /** Per round. Cross-entropy, or squared error of the scaled target. */
  readonly history: Trained['history'];
  /** Best loss on the rows held back; NaN without such. */
  readonly loss: number;
}

/** @throws INVALID_INPUT for options out of range, for data nothing can be learned from, and where training makes nothing better */
export async function trainMlp(
  features: MlpFeatures,
  target: MlpTarget,
  options: MlpOptions,
  context: Pick<PassContext, 'runner' | 'random' | 'signal' | 'onProgress'>,
): Promise<TrainedMlp> {
  checkData(features, target);
  const settings = settle(options, features.rows);
  const { inputScale, outputScale, dataset, write } = prepare(features, target, settings.standardize);
  const outputs = target.task === 'classification' ? target.classCount : 1;
  const widths = [features.columns, ...settings.hidden, outputs];
  checkSize(widths);
  const start = randomMlp(widths, target.task, settings.activation, context.random);
  const graph = new Graph(encodeModel(mlpToOnnx(start, { answers: 'logits' })));
  const split = { batchSize: settings.batchSize, heldOut: settings.validation };
  const batches = rowBatches(new RowSource(dataset), features.rows, { write }, split, context.random);
  batches.targetSize = outputs;
  const [loss, output] =
    target.task === 'classification' ? (['cross-entropy', 'logits'] as const) : (['mse', 'values'] as const);
  const step = await buildStepGraph(graph, { loss, output, weightDecay: true }, batches.example, context.runner);
  const perEpoch = Math.max(1, Math.floor(batches.trainingRows / batches.batchSize));
  const weights = new Map(step.parameters.map(({ name }) => [name, graph.floats(name)]));
  const plan = { ...settings, steps: settings.epochs * perEpoch, evaluateEvery: perEpoch };
  const trained = await trainSteps(step, weights, batches, plan, context);
  const bestEpoch = bestRound(trained);
  return {
    mlp: unscaled(withWeights(start, trained.weights), inputScale, outputScale),
    epochs: trained.steps / perEpoch,
    stoppedEarly: trained.stoppedEarly,
    bestEpoch,
    history: trained.history,
    loss: trained.lossAfter,
  };
}

/** @throws INVALID_INPUT where the random start was the best, or nothing finite is left */
function bestRound({ weights, history, lossBefore, lossAfter }: Trained): number {
  const finite = [...weights.values()].every((values) => values.every(Number.isFinite));
  const diverged = !finite || history.some(({ training }) => !Number.isFinite(training));
  const judged = !Number.isNaN(lossAfter);
  if (finite && judged && lossAfter < lossBefore) return 1 + history.findIndex(({ heldOut }) => heldOut === lossAfter);
  if (!judged && !diverged) return history.length;
  throw invalidInput(
    'learningRate',
    diverged
      ? 'Training diverged: try a smaller learning rate, or scaled columns.'
      : 'Training made the network no better than its random start: try another learning rate, or more rounds.',
  );
}

/** Each step of training hands over all weights three times, to the process that runs it and back. */
const mostWeights = 1_000_000;

function checkSize(widths: readonly number[]): void {
  const weights = widths.slice(1).reduce((sum, outputs, index) => sum + (widths[index]! + 1) * outputs, 0);
  if (weights <= mostWeights) return;
  throw invalidInput('hidden', `hidden makes a network of ${weights} weights; ${mostWeights} are the most.`);
}

function prepare(
  features: MlpFeatures,
  target: MlpTarget,
  standardize: Required<MlpOptions>['standardize'],
): { inputScale?: Scale; outputScale?: Scale; dataset: Dataset; write: TargetRows['write'] } {
  const { rows, columns } = features;
  const inputScale = standardize === true ? measureColumns(features.values, rows, columns) : undefined;
  const values =
    inputScale === undefined ? Float32Array.from(features.values) : scaleColumns(features.values, inputScale);
  const dataset: Dataset = {
    rows,
    labels: undefined,
    slice: (start, count) => ({
      features: {
        datatype: 'float32',
        shape: [count, columns],
        data: values.subarray(start * columns, (start + count) * columns),
      },
    }),
  };
  const scales = inputScale === undefined ? {} : { inputScale };
  if (target.task === 'classification') {
    const write: TargetRows['write'] = (row, into, start) => {
      into[start + target.labels[row]!] = 1;
    };
    return { ...scales, dataset, write };
  }
  const outputScale = standardize !== false ? measureColumns(target.values, rows, 1) : undefined;
  const wanted =
    outputScale === undefined ? Float32Array.from(target.values) : scaleColumns(target.values, outputScale);
  const write: TargetRows['write'] = (row, into, start) => {
    into[start] = wanted[row]!;
  };
  return { ...scales, ...(outputScale === undefined ? {} : { outputScale }), dataset, write };
}

function withWeights(mlp: Mlp, weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>): Mlp {
  const layers = mlp.layers.map((layer, index) => ({
    ...layer,
    weights: weights.get(`weights${index}`)!,
    bias: weights.get(`bias${index}`)!,
  }));
  return { ...mlp, layers };
}

function unscaled(mlp: Mlp, inputScale: Scale | undefined, outputScale: Scale | undefined): Mlp {
  const layers = [...mlp.layers];
  if (inputScale !== undefined) layers[0] = foldInputScale(layers[0]!, inputScale);
  if (outputScale !== undefined) layers.push(foldOutputScale(layers.pop()!, outputScale));
  return { ...mlp, layers };
}

type Settled = Required<MlpOptions>;

export const defaultEpochs = 100;

function settle(options: MlpOptions, rows: number): Settled {
  const settled: Settled = {
    hidden: [64, 64],
    activation: 'relu',
    epochs: defaultEpochs,
    batchSize: Math.min(256, Math.max(32, 2 ** Math.floor(Math.log2(rows / 40)))),
    learningRate: 0.002,
    weightDecay: 0.01,
    validation: rows < 20 ? 0 : 0.1,
    patience: 10,
    standardize: true,
    ...options,
  };
  const whole = (name: 'epochs' | 'batchSize' | 'patience', least: number): void => {
    if (!Number.isSafeInteger(settled[name]) || settled[name] < least) {
      throw invalidInput(name, `${name} must be a whole number from ${least}.`);
    }
  };
  whole('epochs', 1);
  whole('batchSize', 1);
  whole('patience', 1);
  if (!settled.hidden.every((width) => Number.isSafeInteger(width) && width >= 1 && width <= 65_536)) {
    throw invalidInput('hidden', 'hidden must be widths from 1 to 65536.');
  }
  const between = (name: 'learningRate' | 'weightDecay' | 'validation', most: number): void => {
    if (!(settled[name] >= 0 && settled[name] <= most)) throw invalidInput(name, `${name} must be from 0 to ${most}.`);
  };
  between('learningRate', 1);
  between('weightDecay', 100);
  between('validation', 0.9);
  return settled;
}

function checkData({ values, rows, columns }: MlpFeatures, target: MlpTarget): void {
  const given = target.task === 'classification' ? target.labels : target.values;
  const refuse = (sentence: string): HotpathError => new HotpathError('INVALID_INPUT', sentence);
  if (rows < 2 || columns < 1 || values.length !== rows * columns) {
    throw refuse('Training needs two rows or more, each with all features.');
  }
  if (given.length !== rows) throw refuse(`Training has ${rows} rows and ${given.length} targets.`);
  if (!values.every(Number.isFinite)) throw refuse('Training features must be finite numbers.');
  const { classCount } = target.task === 'classification' ? target : { classCount: Number.NaN };
  if (classCount < 2) throw refuse('Training needs two classes or more.');
  for (let row = 0; row < rows; row++) {
    const value = given[row]!;
    if (!Number.isFinite(value)) throw refuse('Training targets must be finite numbers.');
    const isClass = Number.isInteger(value) && value >= 0 && value < classCount;
    if (target.task === 'classification' && !isClass)
      throw refuse(`Training labels must be from 0 to ${classCount - 1}.`);
  }
}
