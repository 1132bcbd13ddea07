/**
 * Random forests and extra trees, for classes (soft vote) and numbers (mean), over histograms of bins. Called by train-model.ts.
 * The votes of all trees sum to exactly 1; tree-ensemble.ts says why that makes the export exact.
 */
import type { Random } from '../../ports/clock.ts';
import type { Matrix, OnProgress, Target } from '../matrix.ts';
import { checkTraining } from '../matrix.ts';
import { wholeOption } from '../options.ts';
import { binMatrix } from './bins.ts';
import type { ScoredTree, TreeEnsemble, UnitTree } from './tree-ensemble.ts';
import { mostUnits, roundScores } from './tree-ensemble.ts';
import type { VotingTreeOptions, WriteLeaf } from './voting-tree.ts';
import { VotingTreeGrower } from './voting-tree.ts';

export interface BaggingOptions {
  /** @default 100 */
  readonly trees?: number;
  /** @default 16 */
  readonly maxDepth?: number;
  /** Fewest training rows a leaf may hold. @default 1 for classes, 3 for numbers */
  readonly minLeafRows?: number;
  /** Columns tried per split. @default the square root of their number for classes, a third of them for numbers */
  readonly columnsPerSplit?: number;
  /** Extra trees: random cuts, and every tree sees all rows. @default false */
  readonly randomCuts?: boolean;
}

export interface Bagged {
  readonly ensemble: TreeEnsemble;
  readonly gains: Float64Array;
}

/** @throws INVALID_INPUT for options out of range and for data nothing can be learned from. */
export function trainBagging(
  matrix: Matrix,
  target: Target,
  options: BaggingOptions,
  random: Random,
  onProgress?: OnProgress,
): Bagged {
  checkTraining(matrix, target);
  const treeCount = wholeOption('trees', options.trees ?? 100, 1, 10_000);
  const settings = checkOptions(options, matrix.columns, target.task);
  const mean = target.task === 'regression' ? target.values.reduce((sum, y) => sum + y / matrix.rows, 0) : 0;
  const centred = target.task === 'regression' ? { ...target, values: target.values.map((y) => y - mean) } : target;
  const grower = new VotingTreeGrower(binMatrix(matrix), centred, settings, random);
  const writeLeaf = target.task === 'classification' ? writeShares : writeMean(treeCount);
  const trees: ScoredTree[] = [];
  for (let index = 0; index < treeCount; index++) {
    const rows = settings.randomCuts ? everyRow(matrix.rows) : bootstrap(matrix.rows, random);
    trees.push(grower.grow(rows, writeLeaf));
    onProgress?.(index + 1, treeCount);
  }
  const { columns } = matrix;
  const ensemble =
    target.task === 'classification'
      ? shareVotes(trees, columns, target.classCount)
      : roundScores({ trees, columns, base: [Math.fround(mean)] });
  return { ensemble, gains: grower.gains };
}

function checkOptions(options: BaggingOptions, columns: number, task: Target['task']): VotingTreeOptions {
  const tried = task === 'classification' ? Math.floor(Math.sqrt(columns)) : Math.ceil(columns / 3);
  return {
    maxDepth: wholeOption('maxDepth', options.maxDepth ?? 16, 1, 64),
    minLeafRows: wholeOption('minLeafRows', options.minLeafRows ?? (task === 'classification' ? 1 : 3), 1, 1e9),
    columnsPerSplit: wholeOption('columnsPerSplit', options.columnsPerSplit ?? Math.max(1, tried), 1, columns),
    randomCuts: options.randomCuts ?? false,
  };
}

function everyRow(rows: number): Int32Array {
  return Int32Array.from({ length: rows }, (_, row) => row);
}

function bootstrap(rows: number, random: Random): Int32Array {
  return Int32Array.from({ length: rows }, () => Math.floor(random() * rows)).sort();
}

const writeShares: WriteLeaf = (sums, rows, write) => {
  for (let label = 0; label < sums.length; label++) write(label, sums[label]! / rows);
};

function writeMean(treeCount: number): WriteLeaf {
  return (sums, rows, write) => write(0, sums[0]! / rows / treeCount);
}

/** Trees' shares of the units differ by at most one; rounding the running total of a leaf keeps each row's sum exactly 1. */
function shareVotes(trees: readonly ScoredTree[], columns: number, classCount: number): TreeEnsemble {
  const upTo = (index: number) => Math.floor((mostUnits * index) / trees.length);
  const rounded = trees.map(({ scores, ...shape }, index): UnitTree => {
    const budget = upTo(index + 1) - upTo(index);
    const units = new Int32Array(scores.length);
    for (let start = 0; start < scores.length; start += classCount) {
      let running = 0;
      let given = 0;
      for (let i = start; i < start + classCount; i++) {
        running += scores[i]!;
        const reached = Math.round(budget * running);
        units[i] = reached - given;
        given = reached;
      }
    }
    return { ...shape, units };
  });
  const base = new Float32Array(classCount);
  return { trees: rounded, columns, outputCount: classCount, unit: 1 / mostUnits, base };
}
