/** Random search: options drawn at random, judged on rows held back from the training rows. Called by the `train` command with --trials. */
import { HotpathError } from '../../core/errors.ts';
import type { Random } from '../../ports/clock.ts';
import type { Matrix, Target } from '../matrix.ts';
import { takeMatrixRows, takeTargetRows } from '../matrix.ts';
import type { ModelKind, TrainedModel } from '../pipeline/trained-model.ts';
import type { ModelOptions, Trainers } from '../train-model.ts';
import { trainAny } from '../train-model.ts';
import type { MetricName } from './metrics.ts';
import { goodness, measure } from './metrics.ts';
import { splitRows } from './split.ts';

export interface Trial {
  readonly options: ModelOptions;
  /** The metric, turned so that more is better. */
  readonly goodness: number;
}

export interface SearchOptions {
  readonly trials: number;
  readonly metric: MetricName;
  /** What is not drawn. */
  readonly fixed: ModelOptions;
  readonly trainers?: Trainers;
  readonly onTrial?: (done: number, total: number) => void;
}

const heldBack = 0.2;

/** The best trial; the first one tries the defaults. Fixed options are never drawn. */
export async function searchOptions(
  kind: ModelKind,
  matrix: Matrix,
  target: Target,
  { trials, metric, fixed, trainers = {}, onTrial }: SearchOptions,
  random: Random,
): Promise<Trial> {
  const all = Int32Array.from({ length: matrix.rows }, (_, row) => row);
  const { train, test } = splitRows(all, target, heldBack, random);
  const [trainMatrix, trainTarget] = [takeMatrixRows(matrix, train), takeTargetRows(target, train)];
  const [judgeMatrix, judgeTarget] = [takeMatrixRows(matrix, test), takeTargetRows(target, test)];
  let best: Trial | undefined;
  for (let trial = 0; trial < trials; trial++) {
    const options = { ...(trial === 0 ? {} : drawOptions(kind, matrix, random)), ...fixed };
    const job = { matrix: trainMatrix, target: trainTarget, options, random };
    const model = await trainAny(kind, job, trainers).catch((error: unknown) => passOver(error, trial));
    const found = model === undefined ? Number.NaN : goodness(measure(model.predict(judgeMatrix), judgeTarget), metric);
    if (best === undefined || found > best.goodness) best = { options, goodness: found };
    onTrial?.(trial + 1, trials);
  }
  return best!;
}

/** Options that were drawn may lead nowhere, as too fast a learning does; the first trial tells whether anything works. */
function passOver(error: unknown, trial: number): undefined | TrainedModel {
  if (trial > 0 && error instanceof HotpathError && error.code === 'INVALID_INPUT') return undefined;
  throw error;
}

function drawOptions(kind: ModelKind, matrix: Matrix, random: Random): ModelOptions {
  const whole = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  /** Evenly over orders of magnitude. */
  const scale = (from: number, to: number) => from * (to / from) ** random();
  if (kind === 'boost') {
    return {
      rounds: 400,
      learningRate: scale(0.02, 0.3),
      maxDepth: whole(2, 7),
      minLeafRows: Math.max(1, Math.min(whole(1, 40), Math.floor(matrix.rows / 20))),
      l2: scale(0.1, 30),
      subsample: 0.5 + random() / 2,
      columnSample: 0.5 + random() / 2,
    };
  }
  if (kind === 'forest' || kind === 'extra-trees') {
    return { maxDepth: whole(4, 24), minLeafRows: whole(1, 10), columnsPerSplit: whole(1, matrix.columns) };
  }
  if (kind === 'mlp') {
    const width = 2 ** whole(4, 7);
    return {
      hidden: new Array<number>(whole(1, 3)).fill(width),
      activation: random() < 0.75 ? 'relu' : 'tanh',
      learningRate: scale(0.0005, 0.02),
      weightDecay: scale(0.0001, 1),
    };
  }
  if (kind === 'knn') return { k: Math.min(matrix.rows >> 1 || 1, whole(1, 40)) };
  return kind === 'linear' ? {} : { l2: scale(0.001, 1000) };
}
