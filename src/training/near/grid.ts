/**
 * Features as whole numbers on a fine grid, for models that compare distances. Called by neighbours.ts and k-means.ts.
 * With 20 bits per coordinate a squared distance over 2048 columns is exact in float64 in ANY order of addition, so the exported model
 * (|x|^2 - 2 x.c + |c|^2 by MatMul) finds the same neighbours, ties included.
 */
import { invalidInput } from '../../core/errors.ts';
import { roundHalfEven } from '../linear/linear-model.ts';
import type { Matrix } from '../matrix.ts';

/** Steps per unit of a (scaled) feature. */
export const gridSteps = 1024;
/** Coordinates beyond are set to it: 512 standard deviations of a scaled feature. */
export const gridLimit = 2 ** 19;
const mostColumns = 2048;

/** @throws INVALID_INPUT for more columns than distances stay exact for. */
export function toGrid(matrix: Matrix): Float64Array<ArrayBuffer> {
  if (matrix.columns > mostColumns) {
    throw invalidInput('features', `Models of distances take at most ${mostColumns} columns.`);
  }
  return Float64Array.from(matrix.values, gridCoordinate);
}

function gridCoordinate(value: number): number {
  return Math.min(gridLimit, Math.max(-gridLimit, roundHalfEven(Math.fround(value * gridSteps))));
}

/** Squared distance between row `i` of `a` and row `j` of `b`. */
export function squaredDistance(a: Float64Array, i: number, b: Float64Array, j: number, columns: number): number {
  let sum = 0;
  const [startA, startB] = [i * columns, j * columns];
  for (let k = 0; k < columns; k++) {
    const difference = a[startA + k]! - b[startB + k]!;
    sum += difference * difference;
  }
  return sum;
}

/** As `squaredDistance`, but stops adding once the sum reaches `limit`: most rows are no neighbours. */
export function boundedDistance(
  a: Float64Array,
  i: number,
  b: Float64Array,
  j: number,
  columns: number,
  limit: number,
): number {
  let sum = 0;
  const [startA, startB] = [i * columns, j * columns];
  for (let k = 0; k < columns && sum < limit; k++) {
    const difference = a[startA + k]! - b[startB + k]!;
    sum += difference * difference;
  }
  return sum;
}
