/**
 * Grows one tree of a forest over histograms of bins: for classes by Gini impurity, for numbers by variance, which is the same formula over
 * one sum. Called by bagging.ts for each tree. `randomCuts` makes it a tree of extra trees: one random cut per tried column.
 */
import type { Random } from '../../ports/clock.ts';
import type { Target } from '../matrix.ts';
import type { BinnedMatrix } from './bins.ts';
import { findBin, maxBins } from './bins.ts';
import type { Cut } from './tree-builder.ts';
import { partitionRows, TreeBuilder } from './tree-builder.ts';
import type { ScoredTree } from './tree-ensemble.ts';

export interface VotingTreeOptions {
  readonly maxDepth: number;
  readonly minLeafRows: number;
  readonly columnsPerSplit: number;
  readonly randomCuts: boolean;
}

/** What a leaf says: for classes the rows of each class, for numbers their mean; `write` puts its votes. */
export type WriteLeaf = (sums: Float64Array, rows: number, write: (output: number, score: number) => void) => void;

export class VotingTreeGrower {
  readonly #matrix: BinnedMatrix;
  readonly #options: VotingTreeOptions;
  readonly #random: Random;
  /** Rows of each class, or the sum of the targets. */
  readonly #width: number;
  readonly #labels: Int32Array | undefined;
  readonly #values: Float64Array | undefined;
  readonly #histogram: Float64Array;
  readonly #counts = new Float64Array(maxBins);
  /** Bins that hold rows of the node. */
  readonly #used = new Uint8Array(maxBins);
  readonly #left: Float64Array;
  readonly #columns: Int32Array;
  #scratch = new Int32Array();
  #builder: TreeBuilder;
  #writeLeaf: WriteLeaf = () => {};
  readonly gains: Float64Array;

  /** @param target numbers must have a mean near 0, so that sums of squares keep their digits */
  constructor(matrix: BinnedMatrix, target: Target, options: VotingTreeOptions, random: Random) {
    this.#matrix = matrix;
    this.#options = options;
    this.#random = random;
    this.#width = target.task === 'classification' ? target.classCount : 1;
    this.#labels = target.task === 'classification' ? target.labels : undefined;
    this.#values = target.task === 'regression' ? target.values : undefined;
    this.#histogram = new Float64Array(maxBins * this.#width);
    this.#left = new Float64Array(this.#width);
    this.#columns = Int32Array.from({ length: matrix.columns }, (_, column) => column);
    this.#builder = new TreeBuilder([], matrix.thresholds);
    this.gains = new Float64Array(matrix.columns);
  }

  /** @param rows to learn from, repeats allowed, which it reorders */
  grow(rows: Int32Array, writeLeaf: WriteLeaf): ScoredTree {
    const outputs = Array.from({ length: this.#width }, (_, output) => output);
    this.#builder = new TreeBuilder(outputs, this.#matrix.thresholds);
    this.#scratch = new Int32Array(rows.length);
    this.#writeLeaf = writeLeaf;
    this.#growNode(rows, 0);
    return this.#builder.finish();
  }

  #growNode(rows: Int32Array, depth: number): number {
    const node = this.#builder.add();
    const sums = this.#sum(rows);
    const cut = this.#mayCut(rows, sums, depth) ? this.#chooseCut(rows, sums) : undefined;
    if (cut === undefined) {
      this.#writeLeaf(sums, rows.length, (output, score) => this.#builder.setScore(node, output, score));
      return node;
    }
    this.gains[cut.column]! += cut.gain;
    this.#builder.split(node, cut);
    const middle = partitionRows(rows, this.#matrix.bins[cut.column]!, cut.bin, this.#scratch);
    const trueChild = this.#growNode(rows.subarray(0, middle), depth + 1);
    const falseChild = this.#growNode(rows.subarray(middle), depth + 1);
    this.#builder.setChildren(node, trueChild, falseChild);
    return node;
  }

  #sum(rows: Int32Array): Float64Array {
    const sums = new Float64Array(this.#width);
    const [labels, values] = [this.#labels, this.#values];
    if (labels !== undefined) for (const row of rows) sums[labels[row]!]! += 1;
    else if (values !== undefined) for (const row of rows) sums[0]! += values[row]!;
    return sums;
  }

  #mayCut(rows: Int32Array, sums: Float64Array, depth: number): boolean {
    const { maxDepth, minLeafRows } = this.#options;
    if (depth >= maxDepth || rows.length < 2 * minLeafRows) return false;
    const values = this.#values;
    if (values === undefined) return !sums.includes(rows.length);
    const first = values[rows[0]!]!;
    return rows.some((row) => values[row] !== first);
  }

  /** Tries `columnsPerSplit` columns at random, and more only while none of them can be cut at all. */
  #chooseCut(rows: Int32Array, sums: Float64Array): Cut | undefined {
    const columns = this.#columns;
    let best: Cut | undefined;
    for (let tried = 0; tried < columns.length; tried++) {
      if (tried >= this.#options.columnsPerSplit && best !== undefined) break;
      const pick = tried + Math.floor(this.#random() * (columns.length - tried));
      const column = columns[pick]!;
      columns[pick] = columns[tried]!;
      columns[tried] = column;
      const found = this.#cutColumn(column, rows, sums);
      if (found !== undefined && found.gain > (best?.gain ?? Number.NEGATIVE_INFINITY)) best = found;
    }
    return best;
  }

  #cutColumn(column: number, rows: Int32Array, sums: Float64Array): Cut | undefined {
    const used = this.#count(this.#matrix.bins[column]!, rows);
    if (used === 1) {
      this.#counts[this.#used[0]!] = 0;
      return undefined;
    }
    const only = this.#options.randomCuts ? this.#drawBin(column, used) : undefined;
    return this.#scan(column, used, rows.length, sums, only);
  }

  /** A bin to cut after: even over the values between the lowest and the highest bin that hold rows. */
  #drawBin(column: number, used: number): number {
    const cuts = this.#matrix.thresholds[column]!;
    const [lowest, highest] = [this.#used[0]!, this.#used[used - 1]! - 1];
    const [low, high] = [cuts[lowest]!, cuts[highest]!];
    return Math.min(highest, Math.max(lowest, findBin(cuts, low + this.#random() * (high - low))));
  }

  /** Fills the histogram; puts the bins that hold rows into `#used`, ascending, and returns how many they are. */
  #count(bins: Uint8Array, rows: Int32Array): number {
    const [width, counts, histogram, used] = [this.#width, this.#counts, this.#histogram, this.#used];
    const size =
      this.#labels === undefined
        ? countSums(bins, rows, counts, histogram, used, this.#values!)
        : countClasses(bins, rows, counts, histogram, used, this.#labels, width);
    if (size <= fewBins) sortFew(used, size);
    else for (let bin = 0, at = 0; bin < maxBins; bin++) if (counts[bin] !== 0) used[at++] = bin;
    return size;
  }

  /** The best cut after a used bin, or how good the one cut after bin `only` is. Leaves all counts at zero. */
  #scan(column: number, used: number, rows: number, sums: Float64Array, only: number | undefined): Cut | undefined {
    const { minLeafRows } = this.#options;
    const [width, counts, histogram, bins] = [this.#width, this.#counts, this.#histogram, this.#used];
    const left = this.#left.fill(0);
    const whole = squares(sums) / rows;
    let leftRows = 0;
    let bestGain = Number.NEGATIVE_INFINITY;
    let bestBin = -1;
    for (let at = 0; at < used - 1; at++) {
      const bin = bins[at]!;
      leftRows += counts[bin]!;
      for (let i = 0; i < width; i++) left[i]! += histogram[bin * width + i]!;
      if (only !== undefined && bins[at + 1]! <= only) continue;
      if (rows - leftRows < minLeafRows) break;
      const gain = leftRows < minLeafRows ? Number.NEGATIVE_INFINITY : sidesScore(left, sums, leftRows, rows) - whole;
      if (gain > bestGain) {
        bestGain = gain;
        bestBin = only ?? bin;
      }
      if (only !== undefined) break;
    }
    for (let at = 0; at < used; at++) counts[bins[at]!] = 0;
    return bestBin < 0 ? undefined : { column, bin: bestBin, gain: bestGain };
  }
}

/** Hot loops of forests, functions of their own so that the compiler sees nothing but arrays of one kind. */
function countClasses(
  bins: Uint8Array,
  rows: Int32Array,
  counts: Float64Array,
  histogram: Float64Array,
  used: Uint8Array,
  labels: Int32Array,
  width: number,
): number {
  let size = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const bin = bins[row]!;
    const start = bin * width;
    if (counts[bin] === 0) {
      used[size++] = bin;
      for (let k = start; k < start + width; k++) histogram[k] = 0;
    }
    counts[bin]! += 1;
    histogram[start + labels[row]!]! += 1;
  }
  return size;
}

function countSums(
  bins: Uint8Array,
  rows: Int32Array,
  counts: Float64Array,
  histogram: Float64Array,
  used: Uint8Array,
  values: Float64Array,
): number {
  let size = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const bin = bins[row]!;
    if (counts[bin] === 0) {
      used[size++] = bin;
      histogram[bin] = 0;
    }
    counts[bin]! += 1;
    histogram[bin]! += values[row]!;
  }
  return size;
}

/** Up to here an insertion sort beats a walk over all bins. */
const fewBins = 24;

function sortFew(values: Uint8Array, size: number): void {
  for (let i = 1; i < size; i++) {
    const value = values[i]!;
    let at = i;
    while (at > 0 && values[at - 1]! > value) {
      values[at] = values[at - 1]!;
      at--;
    }
    values[at] = value;
  }
}

function squares(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return sum;
}

/** Sum of squares / rows on both sides: the greater, the smaller Gini impurity or variance. */
function sidesScore(left: Float64Array, sums: Float64Array, leftRows: number, rows: number): number {
  let leftSquares = 0;
  let rightSquares = 0;
  for (let i = 0; i < left.length; i++) {
    const right = sums[i]! - left[i]!;
    leftSquares += left[i]! * left[i]!;
    rightSquares += right * right;
  }
  return leftSquares / leftRows + rightSquares / (rows - leftRows);
}
