/** Adds what a tree says of rows it was not grown on. Called by boosting.ts while it trains; scores are not rounded yet. */
import type { BinnedMatrix } from './bins.ts';
import { findBin } from './bins.ts';
import type { ScoredTree } from './tree-ensemble.ts';

/** @param tree with one output */
export function addBinnedTree(tree: ScoredTree, matrix: BinnedMatrix, rows: Int32Array, scores: Float64Array): void {
  if (rows.length === 0) return;
  const { feature, threshold, trueChild, falseChild } = tree;
  const lastBin = Int32Array.from(feature, (column, node) =>
    column < 0 ? 0 : findBin(matrix.thresholds[column]!, threshold[node]!),
  );
  for (const row of rows) {
    let node = 0;
    for (let column = feature[0]!; column >= 0; column = feature[node]!) {
      node = matrix.bins[column]![row]! <= lastBin[node]! ? trueChild[node]! : falseChild[node]!;
    }
    scores[row]! += tree.scores[node]!;
  }
}
