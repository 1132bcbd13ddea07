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

/** Runtimes approximate these two by quotients of polynomials; Relu rounds nothing. */
const activationError: Readonly<Record<Activation, number>> = { relu: 0, tanh: 2 ** -21, sigmoid: 2 ** -21 };

/**
 * By how much a score of each row may differ from networkScores when all sums are float32, in whatever order. An error that a value has
 * already passes through the weights with their absolute values; each sum of n products adds `4 sqrt(n)` roundings of its terms
 * (N. Higham, T. Mary: A New Approach to Probabilistic Rounding Error Analysis, 2019). The activations enlarge no error.
 */
export function networkRounding({ layers, activation }: Network, { values, rows }: Matrix): Float64Array<ArrayBuffer> {
  let current = Float64Array.from(values);
  let errors = new Float64Array(current.length);
  for (const [index, layer] of layers.entries()) {
    if (index > 0) {
      current = current.map(functions[activation]);
      errors = errors.map((error) => error + activationError[activation]);
    }
    const unit = 4 * Math.sqrt(layer.inputs + 1) * 2 ** -24;
    const loose = errors.map((error, i) => error + unit * Math.abs(current[i]!));
    errors = multiply(absolute(layer, unit), loose, rows);
    current = multiply(layer, current, rows);
  }
  const width = layers.at(-1)!.outputs;
  return Float64Array.from({ length: rows }, (_, row) => Math.max(...errors.subarray(row * width, (row + 1) * width)));
}

function absolute({ inputs, outputs, weights, bias }: NetworkLayer, unit: number): NetworkLayer {
  return {
    inputs,
    outputs,
    weights: Float64Array.from(weights, Math.abs),
    bias: Float64Array.from(bias, (value) => unit * Math.abs(value)),
  };
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
