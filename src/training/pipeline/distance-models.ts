/** k nearest neighbours and k-means as trained models: distances by MatMul on whole numbers, exact in float64 (near/grid.ts). */
import { int } from '../../onnx-file/model.ts';
import type { ClassTarget, Matrix, Prediction } from '../matrix.ts';
import { argMax } from '../matrix.ts';
import { gridLimit, gridSteps, toGrid } from '../near/grid.ts';
import type { KMeans } from '../near/k-means.ts';
import { nearestCentres } from '../near/k-means.ts';
import type { Neighbours } from '../near/neighbours.ts';
import { findNeighbours } from '../near/neighbours.ts';
import { addArgMax } from './class-scores.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { castTo } from './graph-builder.ts';
import type { ModelValues, TrainedModel } from './trained-model.ts';

export function neighbourModel(model: Neighbours): TrainedModel {
  return {
    kind: 'knn',
    task: model.target.task,
    importance: undefined,
    notes: [`Keeps ${model.rows} rows and compares each question with all of them.`],
    predict: (matrix) => predictNeighbours(model, matrix),
    addTo: (graph, features) => addNeighbours(graph, features, model),
  };
}

function predictNeighbours(model: Neighbours, matrix: Matrix): Prediction {
  const { k, target } = model;
  const nearest = findNeighbours(model, matrix);
  if (target.task === 'classification') return vote(nearest, k, target, matrix.rows);
  const values = new Float32Array(matrix.rows);
  for (let row = 0; row < matrix.rows; row++) {
    let sum = 0;
    for (let i = 0; i < k; i++) sum += target.values[nearest[row * k + i]!]!;
    values[row] = sum / k;
  }
  return { task: 'regression', values };
}

function vote(nearest: Int32Array, k: number, { labels, classCount }: ClassTarget, rows: number): Prediction {
  const probabilities = new Float32Array(rows * classCount);
  for (let i = 0; i < nearest.length; i++) {
    probabilities[Math.floor(i / k) * classCount + labels[nearest[i]!]!]! += 1;
  }
  const chosen = Int32Array.from({ length: rows }, (_, row) => argMax(probabilities, row * classCount, classCount));
  for (let i = 0; i < probabilities.length; i++) probabilities[i]! /= k;
  return { task: 'classification', labels: chosen, probabilities };
}

function addNeighbours(graph: GraphBuilder, features: string, model: Neighbours): ModelValues {
  const { k, rows, columns, points, target } = model;
  const { partial } = addDistances(graph, features, points, rows, columns);
  const [, nearest] = graph.addPair('TopK', [partial, graph.integers([1], [k])], { axis: int(1), largest: int(0) });
  const axis = graph.integers([1], [1]);
  if (target.task === 'regression') {
    const values = graph.add('Gather', [graph.doubles([rows], target.values), nearest]);
    const mean = graph.add('ReduceMean', [values], { axes: { type: 'ints', value: [1] }, keepdims: int(0) });
    return { task: 'regression', value: graph.add('Cast', [mean], { to: int(castTo.float32) }) };
  }
  const { classCount, labels } = target;
  const table = new Float32Array(rows * classCount);
  for (let row = 0; row < rows; row++) table[row * classCount + labels[row]!] = 1;
  const votes = graph.add('Gather', [graph.floats([rows, classCount], table), nearest]);
  const counts = graph.add('ReduceSum', [votes, axis], { keepdims: int(0) });
  const probabilities = graph.add('Div', [counts, graph.floats([1, 1], [k])]);
  return { task: 'classification', label: addArgMax(graph, counts), probabilities };
}

export function kMeansModel(model: KMeans): TrainedModel {
  const { clusters, columns, centres, iterations, converged } = model;
  return {
    kind: 'kmeans',
    task: 'clustering',
    importance: undefined,
    notes: [converged ? `Converged in ${iterations} iterations.` : `Not converged after ${iterations} iterations.`],
    predict: (matrix) => {
      const { labels, distances } = nearestCentres(toGrid(matrix), matrix.rows, model);
      return {
        task: 'clustering',
        labels,
        distances: Float32Array.from(distances, (distance) => Math.sqrt(distance) / gridSteps),
      };
    },
    addTo: (graph, features) => {
      const { grid, partial } = addDistances(graph, features, centres, clusters, columns);
      const axis = graph.integers([1], [1]);
      const own = graph.add('ReduceSum', [graph.add('Mul', [grid, grid]), axis], { keepdims: int(1) });
      const squared = graph.add('Add', [partial, own]);
      const least = graph.add('ReduceMin', [squared], { axes: { type: 'ints', value: [1] }, keepdims: int(0) });
      const steps = graph.doubles([1], [gridSteps]);
      const distance = graph.add('Div', [graph.add('Sqrt', [least]), steps]);
      return {
        task: 'clustering',
        label: graph.add('ArgMin', [squared], { axis: int(1), keepdims: int(0) }),
        distance: graph.add('Cast', [distance], { to: int(castTo.float32) }),
      };
    },
  };
}

/** `grid` float64 [batch, columns], and `partial` [batch, rows]: squared distances less |x|^2, which is the same for all points. */
function addDistances(graph: GraphBuilder, features: string, points: Float64Array, rows: number, columns: number) {
  const stepped = graph.add('Round', [graph.add('Mul', [features, graph.floats([1, 1], [gridSteps])])]);
  const limits = [graph.floats([], [-gridLimit]), graph.floats([], [gridLimit])];
  const grid = graph.add('Cast', [graph.add('Clip', [stepped, ...limits])], { to: int(castTo.float64) });
  const transposed = new Float64Array(points.length);
  const squares = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) {
      const coordinate = points[row * columns + i]!;
      transposed[i * rows + row] = -2 * coordinate;
      squares[row]! += coordinate * coordinate;
    }
  }
  const product = graph.add('MatMul', [grid, graph.doubles([columns, rows], transposed)]);
  return { grid, partial: graph.add('Add', [product, graph.doubles([1, rows], squares)]) };
}
