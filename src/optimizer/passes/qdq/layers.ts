/**
 * Finds the layers that can compute in integers (Conv, Gemm, MatMul with constant weights) and says of the others why not.
 * Called by static quantization. Never changes the graph.
 */
import { invalidInput } from '../../../core/errors.ts';
import type { Constant } from '../../graph/constant.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { describeNode } from '../../graph/node.ts';
import { firstNotFinite } from '../../quantize/affine.ts';

export interface Layer {
  readonly node: Node;
  /** As reports and settings call it: the node's name, or its first output where it has none. */
  readonly key: string;
  /** The value it is given. */
  readonly input: string;
  readonly weight: Constant;
  /** Of the weight: where its output channels lie. */
  readonly channelAxis: number;
  /** One number per output channel. */
  readonly bias: Float32Array | undefined;
  /** Factor on the weights, from Gemm's alpha. */
  readonly alpha: number;
  /** A Relu or Clip that is computed in the same go. */
  readonly activation: Node | undefined;
  /** What is quantized: the result of the activation, or of the node itself. */
  readonly output: string;
}

export function keyOf(node: Pick<Node, 'name' | 'outputs'>): string {
  return node.name !== '' ? node.name : (node.outputs.find((output) => output !== '') ?? '');
}

/** Operators that hold weights, quantized or reported as skipped. */
const weighted: ReadonlySet<string> = new Set([
  'Conv',
  'Gemm',
  'MatMul',
  'ConvTranspose',
  'LSTM',
  'GRU',
  'RNN',
  'FusedConv',
]);

/**
 * A layer, the reason why a node with weights is none, or undefined for all other nodes.
 * @throws INVALID_INPUT when weights are not finite
 */
export function findLayer(graph: Graph, node: Node): Layer | string | undefined {
  if (node.opType === 'FusedConv' || node.opType === 'FusedGemm') return 'it was fused for this processor already';
  if (node.domain !== '' || !weighted.has(node.opType)) return undefined;
  if (!['Conv', 'Gemm', 'MatMul'].includes(node.opType)) return 'the runtime has no integer kernel for it';
  const [input = '', weightName = ''] = node.inputs;
  const weight = graph.constantOf(weightName);
  if (weight === undefined) {
    if (graph.constantOf(input) !== undefined) return 'its left input is the constant one';
    return node.opType === 'MatMul'
      ? 'both its inputs are computed by the model'
      : 'its weights are computed by the model';
  }
  const reason = whyNoWeight(graph, node, weight) ?? whyNoInput(graph, input);
  if (reason !== undefined) return reason;
  if (firstNotFinite(weight.floats()) >= 0) {
    throw invalidInput(
      weight.name,
      `The weights "${weight.name}" of ${describeNode(node)} are not all finite numbers.`,
    );
  }
  const channelAxis = channelAxisOf(node, weight);
  const bias = readBias(graph, node, weight.dims[channelAxis]!);
  if (typeof bias === 'string') return bias;
  const activation = activationBehind(graph, node.outputs[0]!);
  const output = (activation ?? node).outputs[0]!;
  if (node.opType === 'Conv' && isFixed(graph, output)) return 'it makes an output of the model, which stays float';
  const alpha = node.opType === 'Gemm' ? node.float('alpha', 1) : 1;
  return { node, key: keyOf(node), input, weight, channelAxis, bias, alpha, activation, output };
}

/** Its name must stay on the float value: an output of the model, or used by the body of an If or a Loop. */
export function isFixed(graph: Graph, value: string): boolean {
  return graph.isGraphOutput(value) || graph.consumersOf(value).some(({ index }) => index < 0);
}

function whyNoWeight(graph: Graph, node: Node, weight: Constant): string | undefined {
  const rank = weight.dims.length;
  if (weight.datatype !== 'float32') return `its weights are ${weight.datatype}, not float32`;
  if (rank < 2) return 'its weights have one dimension';
  if (node.opType === 'Conv' ? rank < 3 : rank > 2) return `its weights have ${rank} dimensions`;
  if (weight.elementCount === 0) return 'its weights are empty';
  if (graph.consumersOf(weight.name).length > 1) return 'its weights are shared with another node';
  if (isFixed(graph, weight.name)) return 'its weights are an output of the model';
  if (node.opType === 'Gemm' && node.int('transA', 0) === 1) return 'its input is transposed';
  return undefined;
}

function whyNoInput(graph: Graph, input: string): string | undefined {
  if (graph.constantOf(input) !== undefined) return 'its input is constant: fold constants first';
  const datatype = graph.typeOf(input)?.datatype;
  return datatype === undefined || datatype === 'float32' ? undefined : `its input is ${datatype}, not float32`;
}

function channelAxisOf(node: Node, weight: Constant): number {
  if (node.opType === 'Conv') return 0;
  return node.opType === 'Gemm' && node.int('transB', 0) === 1 ? 0 : weight.dims.length - 1;
}

function readBias(graph: Graph, node: Node, channels: number): Float32Array | undefined | string {
  const name = node.inputs[2] ?? '';
  if (name === '') return undefined;
  const constant = graph.constantOf(name);
  if (constant === undefined) return 'its bias is computed by the model';
  const beta = node.opType === 'Gemm' ? node.float('beta', 1) : 1;
  const values = constant.floats();
  if (firstNotFinite(values) >= 0) {
    throw invalidInput(name, `The bias "${name}" of ${describeNode(node)} is not all finite numbers.`);
  }
  const perChannel = constant.elementCount === channels && (constant.dims.at(-1) ?? 1) === channels;
  if (!perChannel && constant.elementCount !== 1) return 'its bias is not one number per channel';
  return Float32Array.from({ length: channels }, (_, channel) => beta * values[perChannel ? channel : 0]!);
}

/** Relu or Clip that alone takes the value: the runtime turns it into the limits of the quantized type. */
export function activationBehind(graph: Graph, value: string): Node | undefined {
  if (isFixed(graph, value)) return undefined;
  const uses = graph.consumersOf(value);
  const [use] = uses;
  if (uses.length !== 1 || use === undefined || use.index !== 0 || use.node.domain !== '') return undefined;
  if (use.node.opType === 'Relu') return use.node;
  return use.node.opType === 'Clip' && clipsAroundZero(graph, use.node) ? use.node : undefined;
}

/** Both limits are constants with 0 between them, as in Relu6. */
function clipsAroundZero(graph: Graph, clip: Node): boolean {
  const limit = (index: number, attribute: string, fallback: number): number => {
    const name = clip.inputs[index] ?? '';
    if (name === '') return clip.float(attribute, fallback);
    return graph.constantOf(name)?.floats()[0] ?? Number.NaN;
  };
  return limit(1, 'min', Number.NEGATIVE_INFINITY) <= 0 && limit(2, 'max', Number.POSITIVE_INFINITY) >= 0;
}
