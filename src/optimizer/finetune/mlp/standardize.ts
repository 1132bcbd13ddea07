/** Scales columns to mean 0 and deviation 1 for training, and folds that into the trained layers afterwards. Called by train-mlp.ts. Pure. */
import type { MlpLayer } from './mlp-model.ts';

export interface Scale {
  readonly means: Float64Array;
  /** 1 for columns that never change. */
  readonly deviations: Float64Array;
}

export function measureColumns(values: ArrayLike<number>, rows: number, columns: number): Scale {
  const [means, deviations] = [new Float64Array(columns), new Float64Array(columns)];
  for (let i = 0; i < rows * columns; i++) means[i % columns]! += values[i]! / rows;
  for (let i = 0; i < rows * columns; i++) deviations[i % columns]! += (values[i]! - means[i % columns]!) ** 2 / rows;
  return { means, deviations: deviations.map((variance) => (variance > 1e-24 ? Math.sqrt(variance) : 1)) };
}

export function scaleColumns(values: ArrayLike<number>, { means, deviations }: Scale): Float32Array<ArrayBuffer> {
  const columns = means.length;
  const scaled = new Float32Array(values.length);
  for (let i = 0; i < scaled.length; i++) scaled[i] = (values[i]! - means[i % columns]!) / deviations[i % columns]!;
  return scaled;
}

/** The layer that gives for plain features what `layer` gives for scaled ones. */
export function foldInputScale(layer: MlpLayer, { means, deviations }: Scale): MlpLayer {
  const weights = layer.weights.map((value, i) => value / deviations[Math.floor(i / layer.outputs)]!);
  const bias = Float64Array.from(layer.bias);
  for (const [i, value] of weights.entries()) bias[i % layer.outputs]! -= value * means[Math.floor(i / layer.outputs)]!;
  return { ...layer, weights, bias: Float32Array.from(bias) };
}

/** The layer that gives plain targets where `layer` gives scaled ones. */
export function foldOutputScale(layer: MlpLayer, { means, deviations }: Scale): MlpLayer {
  const { outputs } = layer;
  const weights = layer.weights.map((value, i) => value * deviations[i % outputs]!);
  const bias = layer.bias.map((value, j) => value * deviations[j]! + means[j]!);
  return { ...layer, weights, bias };
}
