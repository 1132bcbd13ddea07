/** k-means clustering by Lloyd's algorithm from k-means++ centres, on the grid. Called by train-model.ts. Deterministic by seed. */
import { HotpathError } from '../../core/errors.ts';
import type { Random } from '../../ports/clock.ts';
import { roundHalfEven } from '../linear/linear-model.ts';
import type { Matrix, OnProgress } from '../matrix.ts';
import { wholeOption } from '../options.ts';
import { squaredDistance, toGrid } from './grid.ts';

export interface KMeansOptions {
  /** @default 3 */
  readonly clusters?: number;
  /** @default 300 */
  readonly maxIterations?: number;
}

export interface KMeans {
  readonly clusters: number;
  readonly columns: number;
  /** [clusters, columns] on the grid. */
  readonly centres: Float64Array<ArrayBuffer>;
  readonly iterations: number;
  readonly converged: boolean;
}

/** @throws INVALID_INPUT for options out of range and for fewer different rows than clusters. */
export function trainKMeans(matrix: Matrix, options: KMeansOptions, random: Random, onProgress?: OnProgress): KMeans {
  const { rows, columns } = matrix;
  const clusters = wholeOption('clusters', options.clusters ?? 3, 2, Math.max(2, rows));
  const maxIterations = wholeOption('maxIterations', options.maxIterations ?? 300, 1, 100_000);
  if (rows === 0 || columns === 0 || !matrix.values.every(Number.isFinite)) {
    throw new HotpathError('INVALID_INPUT', 'Training needs rows of finite numbers.');
  }
  const points = toGrid(matrix);
  const centres = chooseCentres(points, rows, columns, clusters, random);
  let iterations = 0;
  let converged = false;
  while (!converged && iterations < maxIterations) {
    const { labels } = nearestCentres(points, rows, { centres, clusters, columns });
    converged = !moveCentres(points, labels, centres, clusters, columns);
    iterations++;
    onProgress?.(iterations, maxIterations);
  }
  return { clusters, columns, centres, iterations, converged };
}

/** Cluster and squared distance of each row; the lower cluster where two are equally far. */
export function nearestCentres(
  points: Float64Array,
  rows: number,
  { centres, clusters, columns }: Pick<KMeans, 'centres' | 'clusters' | 'columns'>,
): { labels: Int32Array<ArrayBuffer>; distances: Float64Array<ArrayBuffer> } {
  const labels = new Int32Array(rows);
  const distances = new Float64Array(rows).fill(Number.POSITIVE_INFINITY);
  for (let row = 0; row < rows; row++) {
    for (let cluster = 0; cluster < clusters; cluster++) {
      const distance = squaredDistance(points, row, centres, cluster, columns);
      if (distance >= distances[row]!) continue;
      distances[row] = distance;
      labels[row] = cluster;
    }
  }
  return { labels, distances };
}

/** k-means++: each further centre is a row, likelier the farther it is from the centres so far. */
function chooseCentres(points: Float64Array, rows: number, columns: number, clusters: number, random: Random) {
  const centres = new Float64Array(clusters * columns);
  const distances = new Float64Array(rows).fill(Number.POSITIVE_INFINITY);
  let row = Math.floor(random() * rows);
  for (let cluster = 0; cluster < clusters; cluster++) {
    centres.set(points.subarray(row * columns, (row + 1) * columns), cluster * columns);
    let total = 0;
    for (let other = 0; other < rows; other++) {
      distances[other] = Math.min(distances[other]!, squaredDistance(points, other, centres, cluster, columns));
      total += distances[other]!;
    }
    if (cluster === clusters - 1) break;
    if (total === 0) {
      throw new HotpathError(
        'INVALID_INPUT',
        `The table has fewer than ${clusters} different rows to make clusters of.`,
      );
    }
    row = drawRow(distances, random() * total);
  }
  return centres;
}

function drawRow(distances: Float64Array, mark: number): number {
  let last = 0;
  for (let row = 0; row < distances.length; row++) {
    if (distances[row] === 0) continue;
    last = row;
    mark -= distances[row]!;
    if (mark < 0) break;
  }
  return last;
}

/** Moves each centre to the mean of its rows and returns whether any moved; a centre without rows stays. */
function moveCentres(
  points: Float64Array,
  labels: Int32Array,
  centres: Float64Array,
  clusters: number,
  columns: number,
): boolean {
  const sums = new Float64Array(clusters * columns);
  const counts = new Int32Array(clusters);
  for (let row = 0; row < labels.length; row++) {
    counts[labels[row]!]! += 1;
    for (let i = 0; i < columns; i++) sums[labels[row]! * columns + i]! += points[row * columns + i]!;
  }
  let moved = false;
  for (let at = 0; at < sums.length; at++) {
    const count = counts[Math.floor(at / columns)]!;
    const mean = count === 0 ? centres[at]! : roundHalfEven(sums[at]! / count);
    moved ||= mean !== centres[at];
    centres[at] = mean;
  }
  return moved;
}
