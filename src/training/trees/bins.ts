/**
 * Features as bytes: each column cut into at most 256 bins, so that trees count in histograms instead of sorting. Called by the tree
 * trainers. The cuts are real float32 thresholds: `bin <= b` and `x <= thresholds[b]` always say the same of a row.
 */
import { roundDownToFloat32 } from '../decision-tree.ts';
import type { Matrix } from '../matrix.ts';

export const maxBins = 256;

export interface BinnedMatrix {
  readonly rows: number;
  readonly columns: number;
  /** Bin of each row, per column. */
  readonly bins: readonly Uint8Array[];
  /** Upper end of each bin but the last, ascending, per column. */
  readonly thresholds: readonly Float32Array[];
}

/** @param matrix finite numbers only */
export function binMatrix(matrix: Matrix): BinnedMatrix {
  const bins: Uint8Array[] = [];
  const thresholds: Float32Array[] = [];
  for (let column = 0; column < matrix.columns; column++) {
    const values = new Float32Array(matrix.rows);
    for (let row = 0; row < matrix.rows; row++) values[row] = matrix.values[row * matrix.columns + column]!;
    const cuts = cutColumn(values.slice().sort());
    thresholds.push(cuts);
    bins.push(assignBins(values, cuts));
  }
  return { rows: matrix.rows, columns: matrix.columns, bins, thresholds };
}

/** Every distinct value has a bin of its own where they fit; else bins hold about the same number of rows. */
function cutColumn(sorted: Float32Array): Float32Array {
  const cuts: number[] = [];
  let binStart = 0;
  const distinct = countDistinct(sorted);
  for (let end = 1; end < sorted.length; end++) {
    const [below, above] = [sorted[end - 1]!, sorted[end]!];
    if (below === above) continue;
    const wantedRows = distinct <= maxBins ? 1 : (sorted.length - binStart) / (maxBins - cuts.length);
    if (end - binStart < wantedRows || cuts.length === maxBins - 1) continue;
    cuts.push(roundDownToFloat32((below + above) / 2));
    binStart = end;
  }
  return Float32Array.from(cuts);
}

function countDistinct(sorted: Float32Array): number {
  let distinct = 1;
  for (let i = 1; i < sorted.length; i++) if (sorted[i] !== sorted[i - 1]) distinct++;
  return distinct;
}

function assignBins(values: Float32Array, cuts: Float32Array): Uint8Array {
  const bins = new Uint8Array(values.length);
  for (let row = 0; row < values.length; row++) bins[row] = findBin(cuts, values[row]!);
  return bins;
}

/** The first bin whose upper end is not below `value`; the last bin where there is none. */
export function findBin(cuts: Float32Array, value: number): number {
  let low = 0;
  let high = cuts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= cuts[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}
