/**
 * A perceptron as plain numbers, what it answers in float64, and how far a runtime's float32 sums may be from that. Called by
 * pipeline/network-model.ts, for metrics and for the proof of the exported file. Pure; training is done elsewhere, in a runtime.
 */
import type { Matrix } from '../matrix.ts';

export const activations = ['relu', 'tanh', 'sigmoid'] as const;
export type Activation = (typeof activations)[number];

export interface NetworkLayer {
  readonly inputs: number;
  readonly outputs: number;
  /** Row-major, [inputs, outputs]. */
  readonly weights: ArrayLike<number>;
  readonly bias: ArrayLike<number>;
}

export interface Network {
  readonly task: 'classification' | 'regression';
  readonly activation: Activation;
  /** At least one; the activation stands between them, not behind the last. */
  readonly layers: readonly NetworkLayer[];
}

/** What the trainer of networks may be told; it checks them and has the defaults. */
export interface NetworkOptions {
  /** Widths of the hidden layers. */
  readonly hidden?: readonly number[];
  readonly activation?: Activation;
  /** Most rounds over the rows; early stopping may end before. */
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  /** Of weights but not of biases. */
  readonly weightDecay?: number;
  /** Rounds without a better loss on the rows held back, after which training stops. */
  readonly patience?: number;
}

const functions: Readonly<Record<Activation, (value: number) => number>> = {
  relu: (value) => Math.max(0, value),
  tanh: Math.tanh,
  sigmoid: (value) => 1 / (1 + Math.exp(-value)),
};

/** Logits or values, [rows, outputs of the last layer]. */
export function networkScores({ layers, activation }: Network, { values, rows }: Matrix): Float64Array<ArrayBuffer> {
  let current = Float64Array.from(values);
  for (const [index, layer] of layers.entries()) {
    if (index > 0) current = current.map(functions[activation]);
    current = multiply(layer, current, rows);
  }
  return current;
}

/** Variance: runtimes approximate these two by quotients of polynomials; Relu rounds nothing. */
const activationVariance: Readonly<Record<Activation, number>> = { relu: 0, tanh: 2 ** -44, sigmoid: 2 ** -44 };
/** What one rounding to float32 changes at most, in parts of the number. */
const unit = 2 ** -24;
const deviations = 8;

/**
 * By how much a score of each row may differ from networkScores when all sums are float32, in whatever order: eight standard deviations,
 * taking roundings for independent, as they nearly are (N. Higham, T. Mary: A New Approach to Probabilistic Rounding Error Analysis, 2019).
 * A bound that holds for the worst case would be hundreds of times wider and prove little.
 */
export function networkRounding({ layers, activation }: Network, { values, rows }: Matrix): Float64Array<ArrayBuffer> {
  let current = Float64Array.from(values);
  let variances = new Float64Array(current.length);
  for (const [index, layer] of layers.entries()) {
    if (index > 0) {
      current = current.map(functions[activation]);
      // The activations enlarge no error.
      variances = variances.map((variance) => variance + activationVariance[activation]);
    }
    variances = passVariances(layer, current, variances, rows);
    current = multiply(layer, current, rows);
  }
  const width = layers.at(-1)!.outputs;
  return Float64Array.from({ length: rows }, (_, row) => {
    const largest = Math.max(...variances.subarray(row * width, (row + 1) * width));
    // What is no number any more excuses nothing.
    return Number.isFinite(largest) ? deviations * Math.sqrt(largest) : 0;
  });
}

/** Of the layer's sums: that of the values, weighed, and that of the roundings of each product and of each sum on the way. */
function passVariances(
  { inputs, outputs, weights, bias }: NetworkLayer,
  values: Float64Array,
  variances: Float64Array,
  rows: number,
): Float64Array<ArrayBuffer> {
  const passed = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < outputs; j++) {
      let [sum, size] = [bias[j]!, Math.abs(bias[j]!)];
      let [inherited, steps] = [0, sum * sum];
      for (let i = 0; i < inputs; i++) {
        const weight = weights[i * outputs + j]!;
        const term = values[row * inputs + i]! * weight;
        sum += term;
        size += Math.abs(term);
        steps += sum * sum;
        inherited += variances[row * inputs + i]! * weight * weight;
      }
      // Sums in another order may be larger on the way; none is larger than `size`.
      passed[row * outputs + j] = inherited + unit * unit * (steps + size * size);
    }
  }
  return passed;
}

function multiply(
  { inputs, outputs, weights, bias }: NetworkLayer,
  values: Float64Array,
  rows: number,
): Float64Array<ArrayBuffer> {
  const sums = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    const start = row * outputs;
    for (let j = 0; j < outputs; j++) sums[start + j] = bias[j]!;
    for (let i = 0; i < inputs; i++) {
      const value = values[row * inputs + i]!;
      // Half of what Relu gives, and most of what categories give.
      if (value === 0) continue;
      for (let j = 0; j < outputs; j++) sums[start + j]! += value * weights[i * outputs + j]!;
    }
  }
  return sums;
}
