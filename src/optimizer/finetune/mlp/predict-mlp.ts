/** What a perceptron answers, without a runtime: for metrics and proofs of the exported model. Agrees with it to rounding. Pure. */
import type { Activation, Mlp, MlpLayer } from './mlp-model.ts';

const activations: Readonly<Record<Activation, (value: number) => number>> = {
  relu: (value) => Math.max(0, value),
  tanh: Math.tanh,
  sigmoid: (value) => 1 / (1 + Math.exp(-value)),
};

/** @param features row-major, [rows, inputs of the first layer] @returns logits or values, [rows, outputs of the last layer] */
export function predictMlp(
  { layers, activation }: Mlp,
  features: Float32Array,
  rows: number,
): Float32Array<ArrayBuffer> {
  let values = new Float32Array(features);
  for (const [index, layer] of layers.entries()) {
    const sums = multiply(layer, values, rows);
    values = index === layers.length - 1 ? sums : sums.map(activations[activation]);
  }
  return values;
}

function multiply(
  { inputs, outputs, weights, bias }: MlpLayer,
  values: Float32Array,
  rows: number,
): Float32Array<ArrayBuffer> {
  const answers = new Float32Array(rows * outputs);
  const sums = new Float64Array(outputs);
  for (let row = 0; row < rows; row++) {
    sums.set(bias);
    for (let i = 0; i < inputs; i++) {
      const value = values[row * inputs + i]!;
      if (value === 0) continue;
      for (let j = 0; j < outputs; j++) sums[j] = sums[j]! + value * weights[i * outputs + j]!;
    }
    answers.set(sums, row * outputs);
  }
  return answers;
}
