/** Linear and ridge regression by the normal equations. Called by train-model.ts. Exact in one step: there is nothing to converge. */
import type { Matrix, NumberTarget } from '../matrix.ts';
import { checkTraining } from '../matrix.ts';
import { numberOption } from '../options.ts';
import type { LinearWeights } from './linear-model.ts';
import { solveCholesky } from './solve.ts';

export interface RidgeOptions {
  /** Penalty on squared weights, not on the intercept; 0 is plain least squares. @default 0 */
  readonly l2?: number;
}

export interface FittedLinear {
  readonly weights: LinearWeights;
  readonly notes: readonly string[];
}

/** @throws INVALID_INPUT for options out of range and for data nothing can be learned from. */
export function trainRidge(matrix: Matrix, target: NumberTarget, options: RidgeOptions = {}): FittedLinear {
  checkTraining(matrix, target);
  const l2 = numberOption('l2', options.l2 ?? 0, 0, 1e12);
  const { columns, rows } = matrix;
  const means = columnMeans(matrix);
  const mean = target.values.reduce((sum, value) => sum + value / rows, 0);
  const { gram, moment } = normalEquations(matrix, target, means, mean);
  const notes: string[] = [];
  const addDiagonal = (amount: number) => {
    const shifted = gram.slice();
    for (let i = 0; i < columns; i++) shifted[i * columns + i]! += amount;
    return solveCholesky(shifted, moment);
  };
  let solution = addDiagonal(l2);
  if (solution === undefined) {
    // Columns that follow from others leave infinitely many answers; a small penalty picks the one with small weights.
    notes.push('Some columns follow from others: a penalty of a millionth was added to get one answer.');
    const trace = gram.reduce((sum, value, i) => (i % (columns + 1) === 0 ? sum + value : sum), 0);
    solution = addDiagonal(l2 + Math.max(1e-9, (1e-6 * trace) / columns)) ?? new Float64Array(columns);
  }
  const intercept = mean - solution.reduce((sum, weight, i) => sum + weight * means[i]!, 0);
  return { weights: { weights: solution, intercepts: Float64Array.of(intercept), columns, outputs: 1 }, notes };
}

function columnMeans({ values, rows, columns }: Matrix): Float64Array {
  const means = new Float64Array(columns);
  for (let i = 0; i < values.length; i++) means[i % columns]! += values[i]! / rows;
  return means;
}

/** Centred, so that the intercept drops out and large offsets cost no digits. */
function normalEquations({ values, rows, columns }: Matrix, target: NumberTarget, means: Float64Array, mean: number) {
  const gram = new Float64Array(columns * columns);
  const moment = new Float64Array(columns);
  const x = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) x[i] = values[row * columns + i]! - means[i]!;
    const y = target.values[row]! - mean;
    for (let i = 0; i < columns; i++) {
      moment[i]! += x[i]! * y;
      for (let j = 0; j <= i; j++) gram[i * columns + j]! += x[i]! * x[j]!;
    }
  }
  return { gram, moment };
}
