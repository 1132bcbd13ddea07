/** Which columns of the table matter, and which know too much. Called by the `train` command after training. Deterministic by seed. */
import type { Random } from '../../ports/clock.ts';
import type { Matrix, Target } from '../matrix.ts';
import { takeMatrixRows, takeTargetRows } from '../matrix.ts';
import type { MatrixColumn } from '../pipeline/prepare.ts';
import type { TrainedModel } from '../pipeline/trained-model.ts';
import { shuffle } from '../shuffle.ts';
import { trainModel } from '../train-model.ts';
import type { MetricName } from './metrics.ts';
import { baselinePrediction, goodness, measure } from './metrics.ts';

export interface Importance {
  readonly name: string;
  /** Share of all gains (or weights) of the model, 0 to 1; undefined where the model has none. */
  readonly share: number | undefined;
  /** By how much the metric gets worse when this column is shuffled among the test rows. */
  readonly permutation: number;
}

/** Judging more rows than this changes no ranking. Distances to thousands of rows, and networks, are slow. */
const judgedRows = { knn: 300, mlp: 1000, others: 2000 };

/** Most important first. */
export function importances(
  model: TrainedModel,
  columns: readonly MatrixColumn[],
  test: Matrix,
  target: Target,
  metric: MetricName,
  random: Random,
): Importance[] {
  const kept = Int32Array.from({ length: test.rows }, (_, row) => row);
  shuffle(kept, random);
  const { kind } = model;
  const rows = kept.subarray(0, kind === 'knn' || kind === 'mlp' ? judgedRows[kind] : judgedRows.others);
  const [matrix, judged] = [takeMatrixRows(test, rows), takeTargetRows(target, rows)];
  const whole = goodness(measure(model.predict(matrix), judged), metric);
  const total = model.importance?.reduce((sum, value) => sum + value, 0) ?? 0;
  const found = sourcesOf(columns).map(({ name, indices }): Importance => {
    const shuffled = shuffleColumns(matrix, indices, random);
    const worse = whole - goodness(measure(model.predict(shuffled), judged), metric);
    const own = indices.reduce((sum, index) => sum + (model.importance?.[index] ?? 0), 0);
    return { name, share: total > 0 ? own / total : undefined, permutation: Number.isNaN(worse) ? 0 : worse };
  });
  return found.sort((a, b) => b.permutation - a.permutation || (b.share ?? 0) - (a.share ?? 0));
}

function sourcesOf(columns: readonly MatrixColumn[]): { name: string; indices: number[] }[] {
  const bySource = new Map<string, number[]>();
  for (const [index, { source }] of columns.entries()) bySource.set(source, [...(bySource.get(source) ?? []), index]);
  return [...bySource].map(([name, indices]) => ({ name, indices }));
}

/** The columns that come from one column of the table move together. */
function shuffleColumns(matrix: Matrix, indices: readonly number[], random: Random): Matrix {
  const order = Int32Array.from({ length: matrix.rows }, (_, row) => row);
  shuffle(order, random);
  const values = matrix.values.slice();
  for (let row = 0; row < matrix.rows; row++) {
    for (const index of indices) {
      values[row * matrix.columns + index] = matrix.values[order[row]! * matrix.columns + index]!;
    }
  }
  return { ...matrix, values };
}

export interface Leak {
  readonly name: string;
  /** Accuracy, or R2, that a few trees reach with this column alone. */
  readonly score: number;
}

/**
 * Columns that alone tell the target almost perfectly, where the others together could not be expected to: what is written down
 * after the fact often does. A column counts when it takes away nine tenths of the errors of the baseline.
 */
export function findLeaks(
  columns: readonly MatrixColumn[],
  train: Matrix,
  trainTarget: Target,
  test: Matrix,
  testTarget: Target,
  random: Random,
): Leak[] {
  const metric: MetricName = testTarget.task === 'classification' ? 'accuracy' : 'r2';
  const base = goodness(measure(baselinePrediction(trainTarget, test.rows), testTarget), metric);
  const leaks: Leak[] = [];
  for (const { name, indices } of sourcesOf(columns)) {
    const alone = trainModel(
      'boost',
      takeColumns(train, indices),
      trainTarget,
      { rounds: 20, learningRate: 0.3, maxDepth: 4, validation: 0 },
      random,
    );
    const score = goodness(measure(alone.predict(takeColumns(test, indices)), testTarget), metric);
    if (base < 1 && (1 - score) / (1 - Math.max(0, base)) <= 0.1) leaks.push({ name, score });
  }
  return leaks;
}

function takeColumns(matrix: Matrix, indices: readonly number[]): Matrix {
  const values = new Float32Array(matrix.rows * indices.length);
  for (let row = 0; row < matrix.rows; row++) {
    for (const [at, index] of indices.entries()) {
      values[row * indices.length + at] = matrix.values[row * matrix.columns + index]!;
    }
  }
  return { values, rows: matrix.rows, columns: indices.length };
}
