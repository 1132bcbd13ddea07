/** From scores to classes and probabilities, in numbers and as nodes. Shared by the tree and linear models. */
import { int } from '../../onnx-file/model.ts';
import type { ClassPrediction } from '../matrix.ts';
import { argMax } from '../matrix.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { castTo } from './graph-builder.ts';
import type { ModelValues } from './trained-model.ts';

/** @param scores [rows, classes], where a single column means [0, score] of two classes */
export function classesOfScores(scores: ArrayLike<number>, outputs: number): ClassPrediction {
  const rows = scores.length / outputs;
  const classCount = Math.max(2, outputs);
  const labels = new Int32Array(rows);
  const probabilities = new Float32Array(rows * classCount);
  const row = new Float64Array(classCount);
  for (let index = 0; index < rows; index++) {
    if (outputs === 1) row[1] = scores[index]!;
    else for (let k = 0; k < outputs; k++) row[k] = scores[index * outputs + k]!;
    labels[index] = argMax(row, 0, classCount);
    softmaxInto(row, probabilities, index * classCount);
  }
  return { task: 'classification', labels, probabilities };
}

function softmaxInto(scores: Float64Array, to: Float32Array, start: number): void {
  let most = Number.NEGATIVE_INFINITY;
  for (const score of scores) most = Math.max(most, score);
  let total = 0;
  for (const score of scores) total += Math.exp(score - most);
  for (let k = 0; k < scores.length; k++) to[start + k] = Math.exp(scores[k]! - most) / total;
}

/** The same as nodes. `datatype` is that of the scores. */
export function addScoreNodes(
  graph: GraphBuilder,
  scores: string,
  outputs: number,
  datatype: 'float32' | 'float64',
): ModelValues {
  let all = scores;
  if (outputs === 1) {
    const row = datatype === 'float32' ? graph.floats([1, 2], [0, 1]) : graph.doubles([1, 2], [0, 1]);
    all = graph.add('Mul', [scores, row]);
  }
  const soft = graph.add('Softmax', [all], { axis: int(1) });
  const probabilities = datatype === 'float32' ? soft : graph.add('Cast', [soft], { to: int(castTo.float32) });
  return { task: 'classification', label: addArgMax(graph, all), probabilities };
}

export function addArgMax(graph: GraphBuilder, scores: string): string {
  return graph.add('ArgMax', [scores], { axis: int(1), keepdims: int(0) });
}
