/** A linear model as a trained model: float64 inside, so that the order in which the runtime adds changes no class. */
import { int } from '../../onnx-file/model.ts';
import type { LinearWeights } from '../linear/linear-model.ts';
import { linearScores, roundScore, scoreGrid } from '../linear/linear-model.ts';
import type { Matrix, Prediction } from '../matrix.ts';
import { addScoreNodes, classesOfScores } from './class-scores.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { castTo } from './graph-builder.ts';
import type { ModelKind, ModelValues, TrainedModel } from './trained-model.ts';

type LinearKind = Extract<ModelKind, 'logistic' | 'linear' | 'ridge'>;

export function linearModel(kind: LinearKind, weights: LinearWeights, notes: readonly string[]): TrainedModel {
  const classifies = kind === 'logistic';
  return {
    kind,
    task: classifies ? 'classification' : 'regression',
    importance: weightSizes(weights),
    notes,
    predict: (matrix) => predict(weights, classifies, matrix),
    addTo: (graph, features) => addTo(graph, features, weights, classifies),
  };
}

function weightSizes({ weights, columns, outputs }: LinearWeights): Float64Array {
  const sizes = new Float64Array(columns);
  for (let i = 0; i < weights.length; i++) sizes[Math.floor(i / outputs)]! += Math.abs(weights[i]!);
  return sizes;
}

function predict(weights: LinearWeights, classifies: boolean, matrix: Matrix): Prediction {
  const scores = linearScores(weights, matrix);
  if (classifies) return classesOfScores(scores.map(roundScore), weights.outputs);
  return { task: 'regression', values: Float32Array.from(scores) };
}

function addTo(graph: GraphBuilder, features: string, linear: LinearWeights, classifies: boolean): ModelValues {
  const { weights, intercepts, columns, outputs } = linear;
  const wide = graph.add('Cast', [features], { to: int(castTo.float64) });
  const product = graph.add('MatMul', [wide, graph.doubles([columns, outputs], weights)]);
  const scores = graph.add('Add', [product, graph.doubles([1, outputs], intercepts)]);
  if (!classifies) {
    const narrow = graph.add('Cast', [scores], { to: int(castTo.float32) });
    return { task: 'regression', value: graph.add('Squeeze', [narrow, graph.integers([1], [1])]) };
  }
  const grid = graph.doubles([1, 1], [scoreGrid]);
  const rounded = graph.add('Round', [graph.add('Mul', [scores, grid])]);
  return addScoreNodes(graph, graph.add('Div', [rounded, grid]), outputs, 'float64');
}
