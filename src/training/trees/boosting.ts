/**
 * Gradient-boosted trees: logistic loss for two classes, softmax loss for more (a tree per class and round), squared error for numbers.
 * Called by train-model.ts. Deterministic by seed; what it returns answers bit for bit as the exported model does.
 */
import type { Random } from '../../ports/clock.ts';
import type { Matrix, OnProgress, Target } from '../matrix.ts';
import { checkTraining } from '../matrix.ts';
import { numberOption, wholeOption } from '../options.ts';
import { shuffle } from '../shuffle.ts';
import { addBinnedTree } from './binned-walk.ts';
import type { BinnedMatrix } from './bins.ts';
import { binMatrix } from './bins.ts';
import { BoostedTreeGrower } from './boosted-tree.ts';
import type { Loss } from './losses.ts';
import { makeLoss } from './losses.ts';
import type { ScoredTree, TreeEnsemble } from './tree-ensemble.ts';
import { roundScores } from './tree-ensemble.ts';

export interface BoostingOptions {
  /** Most rounds; early stopping may end before. @default 200 */
  readonly rounds?: number;
  /** @default 0.1 */
  readonly learningRate?: number;
  /** @default 4 */
  readonly maxDepth?: number;
  /** Fewest training rows a leaf may hold. @default 10, less for small tables */
  readonly minLeafRows?: number;
  /** Penalty on the scores of leaves. @default 1 */
  readonly l2?: number;
  /** Part of the rows each round learns from. @default 1 */
  readonly subsample?: number;
  /** Part of the columns each tree may cut. @default 1 */
  readonly columnSample?: number;
  /** Part of the rows held back to decide when to stop; 0 trains all rounds on all rows. @default 0.1 */
  readonly validation?: number;
  /** Rounds without a better loss on the rows held back, after which training stops. @default 30 */
  readonly patience?: number;
}

export interface Boosted {
  readonly ensemble: TreeEnsemble;
  /** Sum of gains per column. */
  readonly gains: Float64Array;
  readonly rounds: number;
  /** Whether training ended before the last round. */
  readonly stoppedEarly: boolean;
}

type Settings = Required<BoostingOptions>;

/** @throws INVALID_INPUT for options out of range and for data nothing can be learned from. */
export function trainBoosting(
  matrix: Matrix,
  target: Target,
  options: BoostingOptions,
  random: Random,
  onProgress?: OnProgress,
): Boosted {
  checkTraining(matrix, target);
  const settings = checkOptions(options, matrix.rows);
  return new BoostingRun(matrix, target, settings, random).train(onProgress);
}

function checkOptions(options: BoostingOptions, rows: number): Settings {
  const minLeafRows = options.minLeafRows ?? Math.max(1, Math.min(10, Math.floor(rows / 50)));
  return {
    rounds: wholeOption('rounds', options.rounds ?? 200, 1, 10_000),
    learningRate: numberOption('learningRate', options.learningRate ?? 0.1, 1e-4, 1),
    maxDepth: wholeOption('maxDepth', options.maxDepth ?? 4, 1, 16),
    minLeafRows: wholeOption('minLeafRows', minLeafRows, 1, 1e9),
    l2: numberOption('l2', options.l2 ?? 1, 1e-6, 1e9),
    subsample: numberOption('subsample', options.subsample ?? 1, 0.05, 1),
    columnSample: numberOption('columnSample', options.columnSample ?? 1, 0.05, 1),
    validation: numberOption('validation', options.validation ?? (rows < 100 ? 0 : 0.1), 0, 0.5),
    patience: wholeOption('patience', options.patience ?? 30, 1, 10_000),
  };
}

class BoostingRun {
  readonly #binned: BinnedMatrix;
  readonly #settings: Settings;
  readonly #random: Random;
  readonly #loss: Loss;
  readonly #grower: BoostedTreeGrower;
  readonly #trainRows: Int32Array;
  readonly #heldBack: Int32Array;
  /** [outputs][rows]: the sums so far. */
  readonly #scores: readonly Float64Array[];
  readonly #trees: ScoredTree[] = [];

  constructor(matrix: Matrix, target: Target, settings: Settings, random: Random) {
    this.#binned = binMatrix(matrix);
    this.#settings = settings;
    this.#random = random;
    const rows = Int32Array.from({ length: matrix.rows }, (_, row) => row);
    if (settings.validation > 0) shuffle(rows, random);
    const held = Math.floor(matrix.rows * settings.validation);
    this.#heldBack = rows.subarray(0, held).sort();
    this.#trainRows = rows.subarray(held).sort();
    this.#loss = makeLoss(target, this.#trainRows);
    this.#scores = this.#loss.base.map((base) => new Float64Array(matrix.rows).fill(base));
    this.#grower = new BoostedTreeGrower(this.#binned, settings);
  }

  train(onProgress: OnProgress | undefined): Boosted {
    const { rounds, patience } = this.#settings;
    let bestLoss = Number.POSITIVE_INFINITY;
    let bestRounds = 0;
    let done = 0;
    while (done < rounds) {
      this.#round();
      done++;
      onProgress?.(done, rounds);
      const loss = this.#heldBack.length === 0 ? -done : this.#loss.meanLoss(this.#scores, this.#heldBack);
      if (loss < bestLoss) [bestLoss, bestRounds] = [loss, done];
      else if (done - bestRounds >= patience) break;
    }
    const trees = this.#trees.slice(0, bestRounds * this.#scores.length);
    const ensemble = roundScores({ trees, columns: this.#binned.columns, base: this.#loss.base });
    return { ensemble, gains: this.#grower.gains, rounds: bestRounds, stoppedEarly: done < rounds };
  }

  #round(): void {
    const [rows, others] = this.#sampleRows();
    const gradients = this.#loss.gradients(this.#scores);
    for (const [output, scores] of this.#scores.entries()) {
      const tree = this.#grower.grow(rows, this.#sampleColumns(), output, gradients(output), (leaf, score) => {
        for (const row of leaf) scores[row]! += score;
      });
      addBinnedTree(tree, this.#binned, others, scores);
      addBinnedTree(tree, this.#binned, this.#heldBack, scores);
      this.#trees.push(tree);
    }
  }

  /** The rows to learn from in this round, and the other training rows. */
  #sampleRows(): [Int32Array, Int32Array] {
    const { subsample } = this.#settings;
    if (subsample >= 1) return [this.#trainRows, new Int32Array()];
    const rows = this.#trainRows.slice();
    shuffle(rows, this.#random);
    const taken = Math.max(1, Math.round(rows.length * subsample));
    return [rows.subarray(0, taken).sort(), rows.subarray(taken).sort()];
  }

  #sampleColumns(): readonly number[] {
    const { columns } = this.#binned;
    const all = Int32Array.from({ length: columns }, (_, column) => column);
    if (this.#settings.columnSample >= 1) return [...all];
    shuffle(all, this.#random);
    return [...all.subarray(0, Math.max(1, Math.round(columns * this.#settings.columnSample))).sort()];
  }
}
