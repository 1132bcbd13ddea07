/** What every trained model can do: predict on a matrix, and write itself into a graph that predicts the same. */
import type { Matrix, Prediction } from '../matrix.ts';
import type { GraphBuilder } from './graph-builder.ts';

export const modelKinds = [
  'boost',
  'forest',
  'extra-trees',
  'logistic',
  'linear',
  'ridge',
  'knn',
  'mlp',
  'kmeans',
] as const;
export type ModelKind = (typeof modelKinds)[number];

export type Task = 'classification' | 'regression' | 'clustering';

export interface TrainedModel {
  readonly kind: ModelKind;
  readonly task: Task;
  /** How much each column of the matrix was used: gains of trees, absolute weights of scaled columns. */
  readonly importance: Float64Array | undefined;
  /** What happened in training, as sentences. */
  readonly notes: readonly string[];
  predict(matrix: Matrix): Prediction;
  /**
   * By how much the runtime's probabilities or value may differ from predict's on each row, through rounding alone. Absent: by no more than
   * one float32 rounds, and labels never.
   */
  rounding?(matrix: Matrix): Float64Array;
  /** Adds nodes that take the matrix `features` [batch, columns] float32. */
  addTo(graph: GraphBuilder, features: string): ModelValues;
}

/** Names of values in the graph. */
export type ModelValues =
  /** int64 [batch] class indices, float32 [batch, classes] */
  | { readonly task: 'classification'; readonly label: string; readonly probabilities: string }
  /** float32 [batch] */
  | { readonly task: 'regression'; readonly value: string }
  /** int64 [batch] cluster indices, float32 [batch] */
  | { readonly task: 'clustering'; readonly label: string; readonly distance: string };
