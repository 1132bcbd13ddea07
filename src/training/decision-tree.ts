/**
 * Grows one CART classification tree by Gini impurity on float32 features. Called by forest.ts for each tree.
 * Sorting is done on integer ranks, made once per forest, so a node costs one native sort of small integers per feature.
 */
import type { Random } from '../ports/clock.ts';
import type { Dataset } from './dataset.ts';

/** Nodes in preorder, node 0 is the root. */
export interface Tree {
  /** Feature the node asks about; -1 marks a leaf. */
  readonly feature: Int32Array;
  /** `x[feature] <= threshold` goes to `trueChild`; NaN goes to `falseChild`. */
  readonly threshold: Float32Array;
  readonly trueChild: Int32Array;
  readonly falseChild: Int32Array;
  /** Training rows of each class in a leaf, [nodes, classCount]; zeros in inner nodes. */
  readonly classRows: Float64Array;
}

export interface TreeLimits {
  readonly maxDepth: number;
  readonly minLeafRows: number;
  readonly featuresPerSplit: number;
}

/** The values of each feature, sorted and distinct, and each row's place among them. */
export interface RankedDataset extends Dataset {
  readonly values: readonly Float32Array[];
  /** Per feature and row: rank of the value * classCount + label, which sorts by value and still knows the class. */
  readonly keys: readonly Uint32Array[];
}

interface Split {
  readonly feature: number;
  readonly threshold: number;
}

export function rankFeatures(dataset: Dataset): RankedDataset {
  const values: Float32Array[] = [];
  const keys: Uint32Array[] = [];
  const { features, labels, featureCount, classCount } = dataset;
  for (let feature = 0; feature < featureCount; feature++) {
    const column = Float32Array.from(labels, (_, row) => features[row * featureCount + feature]!);
    const distinct = new Float32Array(new Set(column)).sort();
    const rank = new Map<number, number>();
    for (const [index, value] of distinct.entries()) rank.set(value, index);
    values.push(distinct);
    keys.push(Uint32Array.from(column, (value, row) => rank.get(value)! * classCount + labels[row]!));
  }
  return { ...dataset, values, keys };
}

/** Grows a tree on `rows` (indices, repeats allowed), which it reorders. */
export function growTree(dataset: RankedDataset, rows: Int32Array, limits: TreeLimits, random: Random): Tree {
  return new TreeGrower(dataset, limits, random).grow(rows);
}

class TreeGrower {
  readonly #dataset: RankedDataset;
  readonly #limits: TreeLimits;
  readonly #random: Random;
  readonly #features: Int32Array;
  readonly #left: Float64Array;
  #keys = new Uint32Array();
  readonly #nodes: { feature: number; threshold: number; trueChild: number; falseChild: number }[] = [];
  readonly #classRows: number[] = [];

  constructor(dataset: RankedDataset, limits: TreeLimits, random: Random) {
    this.#dataset = dataset;
    this.#limits = limits;
    this.#random = random;
    this.#features = Int32Array.from({ length: dataset.featureCount }, (_, index) => index);
    this.#left = new Float64Array(dataset.classCount);
  }

  grow(rows: Int32Array): Tree {
    this.#keys = new Uint32Array(rows.length);
    this.#growNode(rows, 0);
    const nodes = this.#nodes;
    return {
      feature: Int32Array.from(nodes, (node) => node.feature),
      threshold: Float32Array.from(nodes, (node) => node.threshold),
      trueChild: Int32Array.from(nodes, (node) => node.trueChild),
      falseChild: Int32Array.from(nodes, (node) => node.falseChild),
      classRows: Float64Array.from(this.#classRows),
    };
  }

  #growNode(rows: Int32Array, depth: number): number {
    const { classCount, labels, features, featureCount } = this.#dataset;
    const counts = new Float64Array(classCount);
    for (const row of rows) counts[labels[row]!]! += 1;
    const index = this.#nodes.length;
    const node = { feature: -1, threshold: 0, trueChild: 0, falseChild: 0 };
    this.#nodes.push(node);
    const split = this.#chooseSplit(rows, counts, depth);
    for (const count of counts) this.#classRows.push(split === undefined ? count : 0);
    if (split === undefined) return index;
    const middle = partition(rows, (row) => features[row * featureCount + split.feature]! <= split.threshold);
    node.feature = split.feature;
    node.threshold = split.threshold;
    node.trueChild = this.#growNode(rows.subarray(0, middle), depth + 1);
    node.falseChild = this.#growNode(rows.subarray(middle), depth + 1);
    return index;
  }

  #chooseSplit(rows: Int32Array, counts: Float64Array, depth: number): Split | undefined {
    const { maxDepth, minLeafRows } = this.#limits;
    if (depth >= maxDepth || rows.length < 2 * minLeafRows || counts.includes(rows.length)) return undefined;
    return this.#bestSplit(rows, counts);
  }

  /** Tries `featuresPerSplit` features at random, and more only while none of them can split at all. */
  #bestSplit(rows: Int32Array, counts: Float64Array): Split | undefined {
    const features = this.#features;
    let best: Split | undefined;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (let tried = 0; tried < features.length; tried++) {
      if (tried >= this.#limits.featuresPerSplit && best !== undefined) break;
      const pick = tried + Math.floor(this.#random() * (features.length - tried));
      const feature = features[pick]!;
      features[pick] = features[tried]!;
      features[tried] = feature;
      const found = this.#splitFeature(feature, rows, counts);
      if (found === undefined || found.score <= bestScore) continue;
      best = found;
      bestScore = found.score;
    }
    return best;
  }

  /** The best place to cut one feature: the largest sum of squares / rows on both sides, which is the smallest Gini. */
  #splitFeature(feature: number, rows: Int32Array, counts: Float64Array): (Split & { score: number }) | undefined {
    const { classCount } = this.#dataset;
    const sorted = this.#sortedKeys(feature, rows);
    const left = this.#left.fill(0);
    let leftSquares = 0;
    let rightSquares = counts.reduce((sum, count) => sum + count * count, 0);
    let score = Number.NEGATIVE_INFINITY;
    let cutAfter = -1;
    const { minLeafRows } = this.#limits;
    for (let i = 0; i + minLeafRows < sorted.length; i++) {
      const label = sorted[i]! % classCount;
      const moved = left[label]!++;
      leftSquares += 2 * moved + 1;
      rightSquares -= 2 * (counts[label]! - moved) - 1;
      if (i + 1 < minLeafRows || rankOf(sorted[i]!, classCount) === rankOf(sorted[i + 1]!, classCount)) continue;
      const candidate = leftSquares / (i + 1) + rightSquares / (sorted.length - i - 1);
      if (candidate <= score) continue;
      score = candidate;
      cutAfter = i;
    }
    if (cutAfter < 0) return undefined;
    const values = this.#dataset.values[feature]!;
    const below = values[rankOf(sorted[cutAfter]!, classCount)]!;
    const above = values[rankOf(sorted[cutAfter + 1]!, classCount)]!;
    return { feature, threshold: roundDownToFloat32((below + above) / 2), score };
  }

  #sortedKeys(feature: number, rows: Int32Array): Uint32Array {
    const keys = this.#dataset.keys[feature]!;
    const sorted = this.#keys.subarray(0, rows.length);
    for (let i = 0; i < rows.length; i++) sorted[i] = keys[rows[i]!]!;
    return sorted.sort();
  }
}

function rankOf(key: number, classCount: number): number {
  return Math.floor(key / classCount);
}

/** Moves the rows that pass to the front and returns how many they are. */
function partition(rows: Int32Array, passes: (row: number) => boolean): number {
  let front = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if (!passes(row)) continue;
    rows[i] = rows[front]!;
    rows[front++] = row;
  }
  return front;
}

const floatCell = new Float32Array(1);
const bitsCell = new Int32Array(floatCell.buffer);

/**
 * The largest float32 not above `value`. Between two neighbours a < b it keeps a <= t < b, where rounding to nearest
 * could give b and send b's rows to the wrong side.
 */
export function roundDownToFloat32(value: number): number {
  const nearest = Math.fround(value);
  if (nearest <= value) return nearest;
  if (nearest === 0) return -(2 ** -149);
  floatCell[0] = nearest;
  bitsCell[0]! += nearest > 0 ? -1 : 1;
  return floatCell[0]!;
}
