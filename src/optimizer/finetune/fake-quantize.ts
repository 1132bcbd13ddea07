/**
 * Rounds values in a training step as quantization will (quantization-aware training). Called by step-graph.ts. Forward it
 * divides, limits, rounds and multiplies back; backward the rounding passes gradients as they are (straight through) and the limits
 * cut them, as Clip does.
 */
import { makeNode, makeTensor } from '../../onnx-file/model.ts';
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';
import type { Weight } from './step-inputs.ts';

/** Rounding with this in its name is the only one that training looks through. */
export const fakeRoundPrefix = 'fake_quantize_round';

export interface FakeQuantization {
  /** 2 to 8, symmetric. @default 8 */
  readonly weightBits?: number;
  /** Smallest and greatest value of the inputs of layers, which then are rounded to 8 bits too. @default none */
  readonly activations?: ReadonlyMap<string, readonly [number, number]>;
}

interface Grid {
  /** float32, broadcast over the value. */
  readonly scale: { readonly dims: readonly number[]; readonly values: Float32Array<ArrayBuffer> };
  readonly low: number;
  readonly high: number;
}

/** @returns the rounded value */
export function appendFakeQuantize(graph: Graph, value: string, { scale, low, high }: Grid): string {
  const constant = (dims: readonly number[], values: Float32Array<ArrayBuffer>): string =>
    graph.addInitializer(makeTensor(graph.freshName('fake_quantize_grid'), 'float32', dims, values)).name;
  const steps = constant(scale.dims, scale.values);
  const [divided, limited, rounded, result] = ['divide', 'limit', 'round', 'scale'].map((what) =>
    graph.freshName(`fake_quantize_${what}`),
  ) as [string, string, string, string];
  graph.append(makeNode('Div', [value, steps], [divided]));
  const [least, most] = [constant([], Float32Array.of(low)), constant([], Float32Array.of(high))];
  graph.append(makeNode('Clip', [divided, least, most], [limited]));
  graph.append(makeNode('Round', [limited], [rounded]));
  graph.append(makeNode('Mul', [rounded, steps], [result]));
  return result;
}

/** Symmetric, one scale per output channel. */
export function weightGrid(dims: readonly number[], values: Float32Array, channelAxis: number, bits: number): Grid {
  const high = 2 ** (bits - 1) - 1;
  const channels = dims[channelAxis]!;
  const inner = dims.slice(channelAxis + 1).reduce((count, dim) => count * dim, 1);
  const greatest = new Float32Array(channels);
  for (const [index, value] of values.entries()) {
    const channel = Math.floor(index / inner) % channels;
    greatest[channel] = Math.max(greatest[channel]!, Math.abs(value));
  }
  const scaleDims = dims.map((_, axis) => (axis === channelAxis ? channels : 1));
  return {
    scale: { dims: scaleDims, values: greatest.map((value) => (value === 0 ? 1 : value / high)) },
    low: -high,
    high,
  };
}

/** Asymmetric 8 bits over a range that is widened to hold 0. */
export function activationGrid([min, max]: readonly [number, number]): Grid {
  const [low, high] = [Math.min(0, min), Math.max(0, max)];
  const scale = high === low ? 1 : (high - low) / 255;
  const zero = Math.round(-low / scale);
  return { scale: { dims: [], values: Float32Array.of(scale) }, low: -zero, high: 255 - zero };
}

/** The axis of output channels of a layer's weight. */
export function outputAxis(node: Node, rank: number): number {
  if (node.opType === 'Conv') return 0;
  return node.opType === 'Gemm' && node.int('transB', 0) === 1 ? 0 : rank - 1;
}

/**
 * Rounds the weights of all layers, and their inputs where a range is known. Biases stay: they keep 32 bits.
 * @param model where the weights still are constants
 */
export function insertFakeQuantization(
  graph: Graph,
  model: Graph,
  weights: readonly Weight[],
  { weightBits = 8, activations }: FakeQuantization,
): void {
  const nameOf = new Map(weights.map(({ name, input }) => [input, name]));
  const rounded = new Map<string, string>();
  for (const node of graph.nodes) {
    if (!['Conv', 'Gemm', 'MatMul'].includes(node.opType)) continue;
    const [value = '', weight = ''] = node.inputs;
    const name = nameOf.get(weight);
    if (name === undefined) continue;
    const { dims } = model.constantOf(name)!;
    const grid = (): Grid => weightGrid(dims, model.floats(name), outputAxis(node, dims.length), weightBits);
    graph.replaceInput(
      node,
      1,
      once(rounded, weight, () => appendFakeQuantize(graph, weight, grid())),
    );
    const range = activations?.get(value);
    if (range === undefined) continue;
    graph.replaceInput(
      node,
      0,
      once(rounded, value, () => appendFakeQuantize(graph, value, activationGrid(range))),
    );
  }
}

function once(made: Map<string, string>, key: string, make: () => string): string {
  const known = made.get(key) ?? make();
  made.set(key, known);
  return known;
}
