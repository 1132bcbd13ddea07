/** Random search: options drawn at random, judged on rows held back from the training rows. Called by the `train` command with --trials. */
import type { Random } from '../../ports/clock.ts';
import type { Matrix, Target } from '../matrix.ts';
import { takeMatrixRows, takeTargetRows } from '../matrix.ts';
import type { ModelKind } from '../pipeline/trained-model.ts';
import type { ModelOptions } from '../train-model.ts';
import { trainModel } from '../train-model.ts';
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
  readonly onTrial?: (done: number, total: number) => void;
}

const heldBack = 0.2;

/** The best trial; the first one tries the defaults. Fixed options are never drawn. */
export function searchOptions(
  kind: ModelKind,
  matrix: Matrix,
  target: Target,
  { trials, metric, fixed, onTrial }: SearchOptions,
  random: Random,
): Trial {
  const all = Int32Array.from({ length: matrix.rows }, (_, row) => row);
  const { train, test } = splitRows(all, target, heldBack, random);
  const [trainMatrix, trainTarget] = [takeMatrixRows(matrix, train), takeTargetRows(target, train)];
  const [judgeMatrix, judgeTarget] = [takeMatrixRows(matrix, test), takeTargetRows(target, test)];
  let best: Trial | undefined;
  for (let trial = 0; trial < trials; trial++) {
    const options = { ...(trial === 0 ? {} : drawOptions(kind, matrix, random)), ...fixed };
    const model = trainModel(kind, trainMatrix, trainTarget, options, random);
    const found = goodness(measure(model.predict(judgeMatrix), judgeTarget), metric);
    if (best === undefined || found > best.goodness) best = { options, goodness: found };
    onTrial?.(trial + 1, trials);
  }
  return best!;
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
  if (kind === 'knn') return { k: Math.min(matrix.rows >> 1 || 1, whole(1, 40)) };
  return kind === 'linear' ? {} : { l2: scale(0.001, 1000) };
}
