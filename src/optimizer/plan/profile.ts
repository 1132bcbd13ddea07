/**
 * What of a model decides which variants are worth building: its weights by kind of layer, and what was done to it before. Called by
 * recipes.ts. Looks at the graph only.
 */
import type { Constant } from '../graph/constant.ts';
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';

export interface ModelProfile {
  readonly opset: number;
  readonly operators: Readonly<Record<string, number>>;
  /** Bytes of weights in MatMul and Gemm, in Conv, and in all; those of float16 count as the float32 that they are computed in. */
  readonly linearBytes: number;
  readonly convBytes: number;
  readonly floatBytes: number;
  readonly linearLayers: number;
  readonly convLayers: number;
  /** It holds quantized or half-precision weights already. */
  readonly quantized: boolean;
  readonly half: boolean;
}

const linearTypes = new Set(['MatMul', 'Gemm']);
const convTypes = new Set(['Conv', 'ConvTranspose']);
const quantizedTypes = /^(QLinear|Quantize|Dequantize|DynamicQuantize|MatMulInteger|ConvInteger|MatMulNBits|QGemm)/;

export function profileModel(graph: Graph): ModelProfile {
  const operators: Record<string, number> = {};
  for (const { opType } of graph.nodes) operators[opType] = (operators[opType] ?? 0) + 1;
  const sizesOf = (types: ReadonlySet<string>) =>
    graph.nodes
      .filter(({ opType }) => types.has(opType))
      .map((node) => weightBytes(graph, node))
      .filter((size) => size > 0);
  const linear = sizesOf(linearTypes);
  const conv = sizesOf(convTypes);
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
  return {
    opset: graph.head.opset() ?? 0,
    operators,
    linearBytes: sum(linear),
    convBytes: sum(conv),
    floatBytes: sum(graph.initializers.map(floatBytes)),
    linearLayers: linear.length,
    convLayers: conv.length,
    quantized: Object.keys(operators).some((opType) => quantizedTypes.test(opType)),
    half: graph.initializers.some(({ datatype, dims }) => datatype === 'float16' && dims.length >= 2),
  };
}

/** Of the second input, which is the weight of all these operators, where it is a constant. */
function weightBytes(graph: Graph, node: Node): number {
  const weight = graph.constantOf(node.inputs[1] ?? '');
  return weight !== undefined && weight.dims.length >= 2 ? floatBytes(weight) : 0;
}

function floatBytes({ datatype, elementCount }: Constant): number {
  return datatype === 'float32' || datatype === 'float16' ? 4 * elementCount : 0;
}
