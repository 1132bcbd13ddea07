/**
 * A neural network as a trained model: float32 layers in the file, so that they run fast and can be quantized, float64 here. What rounding
 * may change is told by `rounding`, and verify.ts allows for no more.
 */
import type { Matrix, Prediction } from '../matrix.ts';
import type { Network } from '../network/network.ts';
import { networkRounding, networkScores } from '../network/network.ts';
import { addScoreNodes, classesOfScores } from './class-scores.ts';
import type { GraphBuilder } from './graph-builder.ts';
import type { ModelValues, TrainedModel } from './trained-model.ts';

const activationOps = { relu: 'Relu', tanh: 'Tanh', sigmoid: 'Sigmoid' } as const;

export function networkModel(network: Network, notes: readonly string[]): TrainedModel {
  return {
    kind: 'mlp',
    task: network.task,
    importance: undefined,
    notes,
    predict: (matrix) => predict(network, matrix),
    rounding: (matrix) => rounding(network, matrix),
    addTo: (graph, features) => addTo(graph, features, network),
  };
}

function predict(network: Network, matrix: Matrix): Prediction {
  const scores = networkScores(network, matrix);
  if (network.task === 'classification') return classesOfScores(scores, network.layers.at(-1)!.outputs);
  return { task: 'regression', values: Float32Array.from(scores) };
}

/** Scores that are off by e each change no probability by more than e / 2. */
function rounding(network: Network, matrix: Matrix): Float64Array {
  const errors = networkRounding(network, matrix);
  return network.task === 'classification' ? errors.map((error) => Math.min(1, error / 2)) : errors;
}

function addTo(graph: GraphBuilder, features: string, { task, activation, layers }: Network): ModelValues {
  let value = features;
  for (const [index, { inputs, outputs, weights, bias }] of layers.entries()) {
    if (index > 0) value = graph.add(activationOps[activation], [value]);
    value = graph.add('Gemm', [value, graph.floats([inputs, outputs], weights), graph.floats([outputs], bias)]);
  }
  if (task === 'classification') return addScoreNodes(graph, value, layers.at(-1)!.outputs, 'float32');
  return { task: 'regression', value: graph.add('Squeeze', [value, graph.integers([1], [1])]) };
}
