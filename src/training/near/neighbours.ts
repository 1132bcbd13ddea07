/**
 * k nearest neighbours: the training rows themselves, compared on the grid. Called by train-model.ts.
 * Among rows of equal distance the earlier one is nearer, as ONNX's TopK has it.
 */
import type { Random } from '../../ports/clock.ts';
import type { Matrix, Target } from '../matrix.ts';
import { checkTraining, takeMatrixRows, takeTargetRows } from '../matrix.ts';
import { wholeOption } from '../options.ts';
import { shuffle } from '../shuffle.ts';
import { boundedDistance, toGrid } from './grid.ts';

export interface NeighbourOptions {
  /** @default 5 */
  readonly k?: number;
  /** Most training rows kept, chosen at random: every answer compares with all of them. @default 10000 */
  readonly maxRows?: number;
}

export interface Neighbours {
  readonly k: number;
  readonly columns: number;
  readonly rows: number;
  /** [rows, columns] on the grid. */
  readonly points: Float64Array<ArrayBuffer>;
  readonly target: Target;
}

/** @throws INVALID_INPUT for options out of range and for data nothing can be learned from. */
export function trainNeighbours(matrix: Matrix, target: Target, options: NeighbourOptions, random: Random): Neighbours {
  checkTraining(matrix, target);
  const maxRows = wholeOption('maxRows', options.maxRows ?? 10_000, 1, 1_000_000);
  const k = wholeOption('k', options.k ?? Math.min(5, matrix.rows), 1, Math.min(matrix.rows, maxRows));
  const kept = Int32Array.from({ length: matrix.rows }, (_, row) => row);
  if (matrix.rows > maxRows) shuffle(kept, random);
  const rows = kept.subarray(0, maxRows).sort();
  const points = toGrid(takeMatrixRows(matrix, rows));
  return { k, columns: matrix.columns, rows: rows.length, points, target: takeTargetRows(target, rows) };
}

/** Indices of the k nearest training rows of each row, nearest first, [rows, k]. */
export function findNeighbours(model: Neighbours, matrix: Matrix): Int32Array {
  const { k, columns, points } = model;
  const asked = toGrid(matrix);
  const found = new Int32Array(matrix.rows * k);
  const distances = new Float64Array(k);
  for (let row = 0; row < matrix.rows; row++) {
    const nearest = found.subarray(row * k, (row + 1) * k);
    distances.fill(Number.POSITIVE_INFINITY);
    for (let other = 0; other < model.rows; other++) {
      const farthest = distances[k - 1]!;
      const distance = boundedDistance(asked, row, points, other, columns, farthest);
      if (distance < farthest) insert(nearest, distances, other, distance);
    }
  }
  return found;
}

function insert(nearest: Int32Array, distances: Float64Array, index: number, distance: number): void {
  let at = distances.length - 1;
  while (at > 0 && distances[at - 1]! > distance) {
    distances[at] = distances[at - 1]!;
    nearest[at] = nearest[at - 1]!;
    at--;
  }
  distances[at] = distance;
  nearest[at] = index;
}
