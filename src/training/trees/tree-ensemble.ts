/**
 * Trees whose leaves add scores, and their sum. Called by the tree trainers; ensemble-nodes.ts exports it.
 * Scores are whole multiples of one power of two, so few that every partial sum is exact in float32, in ANY order of addition: this file's
 * sums equal ONNX Runtime's bit by bit, also where it adds trees in parallel, and ties are real ties.
 */
import type { Matrix } from '../matrix.ts';

/** Nodes in preorder, node 0 is the root. */
export interface TreeShape {
  /** Column the node asks about; -1 marks a leaf. */
  readonly feature: Int32Array;
  /** `x[feature] <= threshold` goes to `trueChild`; NaN goes to `falseChild`. */
  readonly threshold: Float32Array;
  readonly trueChild: Int32Array;
  readonly falseChild: Int32Array;
  /** The outputs this tree adds to. */
  readonly outputs: readonly number[];
}

/** As a trainer makes it. */
export interface ScoredTree extends TreeShape {
  /** [nodes, outputs.length]; zeros in inner nodes. */
  readonly scores: Float64Array;
}

/** As it is served. */
export interface UnitTree extends TreeShape {
  /** [nodes, outputs.length] in units of the ensemble. */
  readonly units: Int32Array;
}

export interface TreeEnsemble {
  readonly trees: readonly UnitTree[];
  readonly columns: number;
  readonly outputCount: number;
  /** A power of two. */
  readonly unit: number;
  /** Added to the sum in float32, one per output. */
  readonly base: Float32Array<ArrayBuffer>;
}

/** float32 counts whole numbers exactly up to here. */
export const mostUnits = 2 ** 24;

export interface EnsembleParts {
  readonly trees: readonly ScoredTree[];
  readonly columns: number;
  readonly base: ArrayLike<number>;
}

/** Rounds scores to the finest unit that keeps all sums exact: about a 2^-23th of the greatest sum that could come out. */
export function roundScores({ trees, columns, base }: EnsembleParts): TreeEnsemble {
  const most = trees.reduce((sum, { scores }) => sum + largest(scores), 0);
  // Not below the smallest normal float32: some machines take smaller weights for zero.
  let unit = most > 0 ? Math.max(2 ** -126, 2 ** Math.ceil(Math.log2(most / mostUnits))) : 1;
  let rounded = trees.map((tree) => toUnits(tree, unit));
  // Rounding up in many trees may pass the limit once.
  while (rounded.reduce((sum, { units }) => sum + largest(units), 0) > mostUnits) {
    unit *= 2;
    rounded = trees.map((tree) => toUnits(tree, unit));
  }
  return { trees: rounded, columns, outputCount: base.length, unit, base: Float32Array.from(base) };
}

function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]!));
  return most;
}

function toUnits({ scores, ...shape }: ScoredTree, unit: number): UnitTree {
  return { ...shape, units: Int32Array.from(scores, (score) => Math.round(score / unit)) };
}

/** The sums for each row, [rows, outputCount]. NaN fails every comparison. */
export function scoreRows(ensemble: TreeEnsemble, matrix: Matrix): Float32Array<ArrayBuffer> {
  const { outputCount, unit, base } = ensemble;
  const sums = new Float64Array(matrix.rows * outputCount);
  for (const tree of ensemble.trees) addTree(tree, matrix, sums, outputCount);
  const scores = new Float32Array(sums.length);
  for (let i = 0; i < sums.length; i++) scores[i] = Math.fround(sums[i]! * unit) + base[i % outputCount]!;
  return scores;
}

function addTree({ units, outputs, ...tree }: UnitTree, matrix: Matrix, sums: Float64Array, outputCount: number): void {
  const width = outputs.length;
  for (let row = 0; row < matrix.rows; row++) {
    const leaf = findLeaf(tree, matrix.values, row * matrix.columns);
    for (let i = 0; i < width; i++) sums[row * outputCount + outputs[i]!]! += units[leaf * width + i]!;
  }
}

/** The leaf of the row whose features start at `start`. */
function findLeaf(tree: Omit<TreeShape, 'outputs'>, values: Float32Array, start: number): number {
  const { feature, threshold, trueChild, falseChild } = tree;
  let node = 0;
  for (let asked = feature[0]!; asked >= 0; asked = feature[node]!) {
    node = values[start + asked]! <= threshold[node]! ? trueChild[node]! : falseChild[node]!;
  }
  return node;
}
