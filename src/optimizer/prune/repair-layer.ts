/**
 * Layers as least squares sees them: rows of inputs (patches for Conv), a matrix [inputs + 1, outputs] with the bias as its last
 * row, and the way back into the graph. Called by the repair pass. Conv without groups, Gemm and MatMul with constant weights.
 */
import { makeTensor } from '../../onnx-file/model.ts';
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';
import { replaceConstant } from './replace-constant.ts';

export interface RepairLayer {
  readonly node: Node;
  /** The value that goes in, and the sums that come out before any activation. */
  readonly input: string;
  readonly output: string;
  readonly weight: string;
  /** Where a bias can be added: to the node itself, or to the Add behind a MatMul; undefined: nowhere. */
  readonly bias: { readonly node: Node; readonly index: number; readonly name: string } | undefined;
  readonly inputs: number;
  readonly outputs: number;
  /** Whether the constant is [inputs, outputs] and not [outputs, inputs]. */
  readonly inputsFirst: boolean;
  /** Of a Conv. */
  readonly kernel: readonly number[] | undefined;
}

/** @returns undefined for a node that is no such layer; a sentence where it is one that cannot be repaired */
export function repairLayer(graph: Graph, node: Node): RepairLayer | string | undefined {
  if (!['Conv', 'Gemm', 'MatMul'].includes(node.opType) || node.domain !== '') return undefined;
  const [input = '', weight = ''] = node.inputs;
  const constant = graph.constantOf(weight);
  if (constant === undefined || constant.dims.length < 2) return undefined;
  if (constant.datatype !== 'float32') return `weights are ${constant.datatype}: not repaired`;
  if (graph.consumersOf(weight).length > 1) return 'weights are shared with another node: not repaired';
  const base = { node, input, output: node.outputs[0]!, weight, bias: biasOf(graph, node) };
  if (node.opType === 'Conv') {
    const [outputs, channels, ...kernel] = constant.dims as [number, number, ...number[]];
    if (node.int('group', 1) !== 1 || kernel.length !== 2) return 'grouped or not two-dimensional: not repaired';
    return { ...base, inputs: channels * kernel[0]! * kernel[1]!, outputs, inputsFirst: false, kernel };
  }
  const plain = node.int('transA', 0) === 0 && node.float('alpha', 1) === 1 && node.float('beta', 1) === 1;
  if (constant.dims.length !== 2 || !plain) return 'scaled, transposed or in batches: not repaired';
  const inputsFirst = node.int('transB', 0) === 0;
  const [inputs, outputs] = (inputsFirst ? constant.dims : constant.dims.toReversed()) as [number, number];
  return { ...base, inputs, outputs, inputsFirst, kernel: undefined };
}

function biasOf(graph: Graph, node: Node): RepairLayer['bias'] {
  if (node.opType !== 'MatMul') return { node, index: 2, name: node.inputs[2] ?? '' };
  const uses = graph.consumersOf(node.outputs[0]!);
  const [use] = uses;
  if (uses.length !== 1 || use!.node.opType !== 'Add') return undefined;
  const name = use!.node.inputs[1 - use!.index]!;
  return graph.constantOf(name) === undefined ? undefined : { node: use!.node, index: 1 - use!.index, name };
}

/** Row-major [inputs + 1, outputs]; the last row is 0 without a bias of the node's own. */
export function layerMatrix(graph: Graph, layer: RepairLayer): Float32Array<ArrayBuffer> {
  const { inputs, outputs, inputsFirst } = layer;
  const values = graph.floats(layer.weight);
  const matrix = new Float32Array((inputs + 1) * outputs);
  if (inputsFirst) matrix.set(values);
  else {
    for (let j = 0; j < outputs; j++)
      for (let i = 0; i < inputs; i++) matrix[i * outputs + j] = values[j * inputs + i]!;
  }
  // The bias of an Add behind the sums is no part of them.
  if (layer.bias?.name && layer.bias.node === layer.node) {
    const bias = graph.floats(layer.bias.name);
    for (let j = 0; j < outputs; j++) matrix[inputs * outputs + j] = bias[bias.length === 1 ? 0 : j]!;
  }
  return matrix;
}

/** Adds `change` [inputs + 1, outputs] to the layer. */
export function changeLayer(graph: Graph, layer: RepairLayer, change: ArrayLike<number>): void {
  const { inputs, outputs, inputsFirst, weight, bias } = layer;
  const { dims } = graph.constantOf(weight)!;
  const values = graph.floats(weight).slice() as Float32Array<ArrayBuffer>;
  for (let i = 0; i < inputs; i++) {
    for (let j = 0; j < outputs; j++) {
      const at = inputsFirst ? i * outputs + j : j * inputs + i;
      values[at] = values[at]! + change[i * outputs + j]!;
    }
  }
  replaceConstant(graph, weight, dims, values);
  if (bias !== undefined) changeBias(graph, bias, outputs, (j) => change[inputs * outputs + j]!);
}

function changeBias(
  graph: Graph,
  { node, index, name }: NonNullable<RepairLayer['bias']>,
  outputs: number,
  change: (output: number) => number,
): void {
  const old = name === '' ? new Float32Array(1) : graph.floats(name);
  const values = Float32Array.from({ length: outputs }, (_, j) => old[old.length === 1 ? 0 : j]! + change(j));
  const isOwn = name !== '' && old.length === outputs && graph.consumersOf(name).length === 1;
  if (isOwn) {
    replaceConstant(graph, name, graph.constantOf(name)!.dims, values);
    return;
  }
  const made = graph.addInitializer(makeTensor(graph.freshName(name || 'repaired_bias'), 'float32', [outputs], values));
  graph.replaceInput(node, index, made.name);
}
