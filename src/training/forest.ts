/**
 * A random forest classifier: bootstrapped CART trees, soft vote. Called by train-iris.ts; forest-to-onnx.ts exports it.
 * Vote weights are whole multiples of 2^-24 that sum to 1 in float32 without rounding in ANY order of addition, so this
 * file's predictions equal ONNX Runtime's bit by bit, also where it adds trees in parallel, and ties are real ties.
 */
import { HotpathError, invalidInput } from '../core/errors.ts';
import type { Random } from '../ports/clock.ts';
import type { Dataset } from './dataset.ts';
import type { RankedDataset, Tree } from './decision-tree.ts';
import { growTree, rankFeatures } from './decision-tree.ts';

export interface ForestOptions {
  /** @default 100 */
  readonly trees?: number;
  /** @default 16 */
  readonly maxDepth?: number;
  /** Fewest training rows a leaf may hold. @default 1 */
  readonly minLeafRows?: number;
  /** Features tried per split. @default the square root of their number, rounded down */
  readonly featuresPerSplit?: number;
}

/** A tree whose leaves carry their votes, [nodes, classCount] in units of 2^-24; zeros in inner nodes. */
export interface VotingTree extends Tree {
  readonly voteUnits: Int32Array;
}

export interface Forest {
  readonly trees: readonly VotingTree[];
  readonly featureCount: number;
  readonly classCount: number;
}

/** All trees together cast this many units in every prediction; float32 counts whole numbers exactly up to here. */
export const unitsPerForest = 2 ** 24;

/** @throws INVALID_INPUT for options out of range, no rows, fewer than two classes, or a feature that is not finite. */
export function trainForest(dataset: Dataset, options: ForestOptions, random: Random): Forest {
  const { featureCount, classCount } = dataset;
  const limits = {
    trees: integerOption('trees', options.trees ?? 100, 10_000),
    maxDepth: integerOption('maxDepth', options.maxDepth ?? 16, 64),
    minLeafRows: integerOption('minLeafRows', options.minLeafRows ?? 1, Number.MAX_SAFE_INTEGER),
    featuresPerSplit: integerOption(
      'featuresPerSplit',
      options.featuresPerSplit ?? Math.max(1, Math.floor(Math.sqrt(featureCount))),
      featureCount,
    ),
  };
  checkDataset(dataset);
  const ranked = rankFeatures(dataset);
  const trees: VotingTree[] = [];
  for (let index = 0; index < limits.trees; index++) {
    const tree = growTree(ranked, bootstrap(ranked, random), limits, random);
    trees.push({ ...tree, voteUnits: shareVotes(tree, classCount, unitsOfTree(index, limits.trees)) });
  }
  return { trees, featureCount, classCount };
}

export interface ForestPrediction {
  /** Class index per row: the largest probability, the lowest index among equals. */
  readonly labels: Int32Array;
  /** [rows, classCount]; each row sums to exactly 1. */
  readonly probabilities: Float32Array;
}

/** @param features row-major [rows, featureCount] */
export function predictForest(forest: Forest, features: Float32Array): ForestPrediction {
  const { featureCount, classCount, trees } = forest;
  const rows = features.length / featureCount;
  const labels = new Int32Array(rows);
  const probabilities = new Float32Array(rows * classCount);
  for (let row = 0; row < rows; row++) {
    const votes = probabilities.subarray(row * classCount, (row + 1) * classCount);
    const x = features.subarray(row * featureCount, (row + 1) * featureCount);
    for (const tree of trees) {
      const leaf = findLeaf(tree, x) * classCount;
      for (let label = 0; label < classCount; label++) votes[label]! += tree.voteUnits[leaf + label]! / unitsPerForest;
    }
    labels[row] = votes.indexOf(Math.max(...votes));
  }
  return { labels, probabilities };
}

/** Fraction of rows whose predicted label is the dataset's. */
export function forestAccuracy(forest: Forest, dataset: Dataset): number {
  const { labels } = predictForest(forest, dataset.features);
  const right = labels.filter((label, row) => label === dataset.labels[row]).length;
  return right / dataset.labels.length;
}

function findLeaf(tree: Tree, x: Float32Array): number {
  let node = 0;
  while (tree.feature[node]! >= 0) {
    node = x[tree.feature[node]!]! <= tree.threshold[node]! ? tree.trueChild[node]! : tree.falseChild[node]!;
  }
  return node;
}

function bootstrap(dataset: RankedDataset, random: Random): Int32Array {
  const rows = dataset.labels.length;
  return Int32Array.from({ length: rows }, () => Math.floor(random() * rows));
}

/** The trees' shares differ by at most one unit and sum to `unitsPerForest`. */
function unitsOfTree(index: number, trees: number): number {
  return Math.floor((unitsPerForest * (index + 1)) / trees) - Math.floor((unitsPerForest * index) / trees);
}

/** Divides each leaf's units among the classes by their rows; rounding the running total keeps the sum exact. */
function shareVotes(tree: Tree, classCount: number, units: number): Int32Array {
  const shares = new Int32Array(tree.classRows.length);
  for (let node = 0; node < tree.feature.length; node++) {
    const rows = tree.classRows.subarray(node * classCount, (node + 1) * classCount);
    const total = rows.reduce((sum, count) => sum + count, 0);
    if (total === 0) continue;
    let running = 0;
    let given = 0;
    for (let label = 0; label < classCount; label++) {
      running += rows[label]!;
      const upTo = Math.round((units * running) / total);
      shares[node * classCount + label] = upTo - given;
      given = upTo;
    }
  }
  return shares;
}

function integerOption(name: string, value: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
  throw invalidInput(name, `${name} must be a whole number from 1 to ${max}.`, `1 to ${max}`, String(value));
}

function checkDataset({ features, labels, featureCount, classCount }: Dataset): void {
  const rows = labels.length;
  if (rows === 0 || featureCount < 1 || features.length !== rows * featureCount) {
    throw new HotpathError('INVALID_INPUT', 'Training needs rows, each with all features and one label.');
  }
  if (classCount < 2 || rows * classCount >= 2 ** 32) {
    throw new HotpathError(
      'INVALID_INPUT',
      'Training needs two classes or more, and fewer than 2^32 rows times classes.',
    );
  }
  if (!features.every(Number.isFinite)) throw new HotpathError('INVALID_INPUT', 'Training features must be finite.');
  if (labels.some((label) => label < 0 || label >= classCount)) {
    throw new HotpathError('INVALID_INPUT', `Training labels must be from 0 to ${classCount - 1}.`);
  }
}
