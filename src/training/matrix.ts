/**
 * What the trainers learn from and predict on: a float32 matrix, and targets of either kind. float32 because the served model sees no more;
 * training on wider numbers could put a row on the other side of a threshold than serving does.
 */
import { HotpathError } from '../core/errors.ts';

export interface Matrix {
  /** Row-major, [rows, columns]. */
  readonly values: Float32Array<ArrayBuffer>;
  readonly rows: number;
  readonly columns: number;
}

export interface ClassTarget {
  readonly task: 'classification';
  /** Class index of each row. */
  readonly labels: Int32Array<ArrayBuffer>;
  readonly classCount: number;
}

export interface NumberTarget {
  readonly task: 'regression';
  readonly values: Float64Array<ArrayBuffer>;
}

export type Target = ClassTarget | NumberTarget;

export interface ClassPrediction {
  readonly task: 'classification';
  /** Class index per row; the lowest one where probabilities are equal. */
  readonly labels: Int32Array<ArrayBuffer>;
  /** [rows, classCount] */
  readonly probabilities: Float32Array<ArrayBuffer>;
}

export interface NumberPrediction {
  readonly task: 'regression';
  readonly values: Float32Array<ArrayBuffer>;
}

export interface ClusterPrediction {
  readonly task: 'clustering';
  readonly labels: Int32Array<ArrayBuffer>;
  /** From the centre of the row's cluster. */
  readonly distances: Float32Array<ArrayBuffer>;
}

export type Prediction = ClassPrediction | NumberPrediction | ClusterPrediction;

/** Reports `done` of `total` steps; called synchronously, often. */
export type OnProgress = (done: number, total: number) => void;

export function takeMatrixRows(matrix: Matrix, rows: Int32Array): Matrix {
  const { columns } = matrix;
  const values = new Float32Array(rows.length * columns);
  for (let index = 0; index < rows.length; index++) {
    const start = rows[index]! * columns;
    values.set(matrix.values.subarray(start, start + columns), index * columns);
  }
  return { values, rows: rows.length, columns };
}

export function takeTargetRows<T extends Target>(target: T, rows: Int32Array): T {
  return target.task === 'classification'
    ? { ...target, labels: Int32Array.from(rows, (row) => target.labels[row]!) }
    : { ...target, values: Float64Array.from(rows, (row) => (target as NumberTarget).values[row]!) };
}

/** @throws INVALID_INPUT when there is nothing to learn from. */
export function checkTraining(matrix: Matrix, target: Target): void {
  const count = target.task === 'classification' ? target.labels.length : target.values.length;
  if (matrix.rows === 0 || matrix.columns === 0 || matrix.values.length !== matrix.rows * matrix.columns) {
    throw new HotpathError('INVALID_INPUT', 'Training needs rows, each with all features.');
  }
  if (count !== matrix.rows) {
    throw new HotpathError('INVALID_INPUT', `Training has ${matrix.rows} rows and ${count} targets.`);
  }
  if (!matrix.values.every(Number.isFinite)) {
    throw new HotpathError('INVALID_INPUT', 'Training features must be finite numbers.');
  }
  if (target.task === 'regression' && !target.values.every(Number.isFinite)) {
    throw new HotpathError('INVALID_INPUT', 'Training targets must be finite numbers.');
  }
  if (target.task === 'classification') checkLabels(target);
}

function checkLabels({ labels, classCount }: ClassTarget): void {
  if (classCount < 2) throw new HotpathError('INVALID_INPUT', 'Training needs two classes or more.');
  if (labels.some((label) => label < 0 || label >= classCount)) {
    throw new HotpathError('INVALID_INPUT', `Training labels must be from 0 to ${classCount - 1}.`);
  }
}

/** Index of the greatest of `count` numbers from `start`; the first of equals. */
export function argMax(values: ArrayLike<number>, start: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[start + i]! > values[start + best]!) best = i;
  return best;
}
