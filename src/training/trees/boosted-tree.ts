/**
 * Grows one regression tree on gradients (Newton boosting, https://arxiv.org/abs/1603.02754, section 2.2) over histograms of bins.
 * Called by boosting.ts for each round and class. The smaller child is counted, the larger one is its parent less the smaller.
 */
import type { BinnedMatrix } from './bins.ts';
import { maxBins } from './bins.ts';
import type { Cut } from './tree-builder.ts';
import { partitionRows, TreeBuilder } from './tree-builder.ts';
import type { ScoredTree } from './tree-ensemble.ts';

export interface BoostedTreeOptions {
  readonly maxDepth: number;
  readonly minLeafRows: number;
  readonly l2: number;
  readonly learningRate: number;
}

/** Per row of the binned matrix. */
export interface Gradients {
  readonly first: Float64Array;
  readonly second: Float64Array;
}

interface Sums {
  readonly first: number;
  readonly second: number;
  readonly rows: number;
}

/** Sums of gradients, of second derivatives, and rows, per column and bin. */
const sumsPerBin = 3;
const columnStride = maxBins * sumsPerBin;

export class BoostedTreeGrower {
  readonly #matrix: BinnedMatrix;
  readonly #options: BoostedTreeOptions;
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  readonly #scratch: Int32Array;
  readonly #pool: Float64Array[] = [];
  #columns: readonly number[] = [];
  #gradients: Gradients;
  #builder: TreeBuilder;
  #onLeaf: (rows: Int32Array, score: number) => void = () => {};
  /** Sum of the gains of all cuts so far, per column. */
  readonly gains: Float64Array;

  constructor(matrix: BinnedMatrix, options: BoostedTreeOptions) {
    this.#matrix = matrix;
    this.#options = options;
    this.#first = new Float64Array(matrix.rows);
    this.#second = new Float64Array(matrix.rows);
    this.#scratch = new Int32Array(matrix.rows);
    this.#gradients = { first: this.#first, second: this.#second };
    this.#builder = new TreeBuilder([0], matrix.thresholds);
    this.gains = new Float64Array(matrix.columns);
  }

  /**
   * @param rows to learn from, which it reorders
   * @param columns that may be cut
   * @param onLeaf called with the rows of each leaf and what the leaf adds to them
   */
  grow(
    rows: Int32Array,
    columns: readonly number[],
    output: number,
    gradients: Gradients,
    onLeaf: (rows: Int32Array, score: number) => void,
  ): ScoredTree {
    this.#builder = new TreeBuilder([output], this.#matrix.thresholds);
    this.#columns = columns;
    this.#gradients = gradients;
    this.#onLeaf = onLeaf;
    const histogram = this.#count(rows);
    this.#growNode(rows, sumRows(rows, gradients), histogram, 0);
    return this.#builder.finish();
  }

  /** Takes over the histogram, which is absent where no further cut is allowed. */
  #growNode(rows: Int32Array, sums: Sums, histogram: Float64Array | undefined, depth: number): number {
    const node = this.#builder.add();
    const cut = histogram === undefined ? undefined : this.#bestCut(histogram, sums);
    if (cut === undefined || histogram === undefined) {
      if (histogram !== undefined) this.#pool.push(histogram);
      const { l2, learningRate } = this.#options;
      const score = (-learningRate * sums.first) / (sums.second + l2);
      this.#builder.setScore(node, 0, score);
      this.#onLeaf(rows, score);
      return node;
    }
    this.#builder.split(node, cut);
    this.gains[cut.column]! += cut.gain;
    const left = sumsUpTo(histogram, cut);
    const right = subtract(sums, left);
    const middle = partitionRows(rows, this.#matrix.bins[cut.column]!, cut.bin, this.#scratch);
    const [leftRows, rightRows] = [rows.subarray(0, middle), rows.subarray(middle)];
    const [leftHistogram, rightHistogram] = this.#childHistograms(histogram, leftRows, rightRows, depth + 1);
    const trueChild = this.#growNode(leftRows, left, leftHistogram, depth + 1);
    const falseChild = this.#growNode(rightRows, right, rightHistogram, depth + 1);
    this.#builder.setChildren(node, trueChild, falseChild);
    return node;
  }

  #childHistograms(
    parent: Float64Array,
    left: Int32Array,
    right: Int32Array,
    depth: number,
  ): [Float64Array | undefined, Float64Array | undefined] {
    const fewest = 2 * this.#options.minLeafRows;
    const deepEnough = depth >= this.#options.maxDepth;
    if (deepEnough || Math.max(left.length, right.length) < fewest) {
      this.#pool.push(parent);
      return [undefined, undefined];
    }
    const leftIsSmall = left.length <= right.length;
    const small = this.#count(leftIsSmall ? left : right);
    for (const column of this.#columns) subtractColumn(parent, small, column * columnStride);
    let kept: Float64Array | undefined = small;
    if (Math.min(left.length, right.length) < fewest) {
      this.#pool.push(small);
      kept = undefined;
    }
    return leftIsSmall ? [kept, parent] : [parent, kept];
  }

  #count(rows: Int32Array): Float64Array {
    const histogram = this.#pool.pop() ?? new Float64Array(this.#matrix.columns * columnStride);
    const { first, second } = this.#gradients;
    const [rowFirst, rowSecond] = [this.#first, this.#second];
    for (let i = 0; i < rows.length; i++) {
      rowFirst[i] = first[rows[i]!]!;
      rowSecond[i] = second[rows[i]!]!;
    }
    for (const column of this.#columns) {
      const start = column * columnStride;
      histogram.fill(0, start, start + columnStride);
      countColumn(histogram, start, this.#matrix.bins[column]!, rows, rowFirst, rowSecond);
    }
    return histogram;
  }

  #bestCut(histogram: Float64Array, sums: Sums): Cut | undefined {
    const { l2, minLeafRows } = this.#options;
    const whole = (sums.first * sums.first) / (sums.second + l2);
    // Sums of equal gradients differ by rounding only; that is no gain.
    let best: Cut | undefined;
    let bestGain = 1e-9 * whole + 1e-12;
    for (const column of this.#columns) {
      const bins = this.#matrix.thresholds[column]!.length;
      let first = 0;
      let second = 0;
      let rows = 0;
      for (let bin = 0; bin < bins; bin++) {
        const at = column * columnStride + bin * sumsPerBin;
        const here = histogram[at + 2]!;
        if (here === 0) continue;
        first += histogram[at]!;
        second += histogram[at + 1]!;
        rows += here;
        if (rows < minLeafRows) continue;
        if (sums.rows - rows < minLeafRows) break;
        const rest = sums.first - first;
        const gain = (first * first) / (second + l2) + (rest * rest) / (sums.second - second + l2) - whole;
        if (gain <= bestGain) continue;
        bestGain = gain;
        best = { column, bin, gain };
      }
    }
    return best;
  }
}

/** The hot loop of boosting: a function of its own, so that the compiler sees nothing but arrays of one kind. */
function countColumn(
  histogram: Float64Array,
  start: number,
  bins: Uint8Array,
  rows: Int32Array,
  first: Float64Array,
  second: Float64Array,
): void {
  for (let i = 0; i < rows.length; i++) {
    const at = start + bins[rows[i]!]! * sumsPerBin;
    histogram[at]! += first[i]!;
    histogram[at + 1]! += second[i]!;
    histogram[at + 2]! += 1;
  }
}

function subtractColumn(from: Float64Array, part: Float64Array, start: number): void {
  for (let i = start; i < start + columnStride; i++) from[i]! -= part[i]!;
}

function sumRows(rows: Int32Array, { first, second }: Gradients): Sums {
  let [firstSum, secondSum] = [0, 0];
  for (const row of rows) {
    firstSum += first[row]!;
    secondSum += second[row]!;
  }
  return { first: firstSum, second: secondSum, rows: rows.length };
}

function sumsUpTo(histogram: Float64Array, { column, bin }: Cut): Sums {
  let [first, second, rows] = [0, 0, 0];
  const start = column * columnStride;
  for (let at = start; at <= start + bin * sumsPerBin; at += sumsPerBin) {
    first += histogram[at]!;
    second += histogram[at + 1]!;
    rows += histogram[at + 2]!;
  }
  return { first, second, rows };
}

function subtract(whole: Sums, part: Sums): Sums {
  return { first: whole.first - part.first, second: whole.second - part.second, rows: whole.rows - part.rows };
}
