/**
 * What of a model decides which variants are worth building: its weights by kind of layer, and what was done to it before. Called by
 * recipes.ts. Looks at the graph only.
 */
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';

export interface ModelProfile {
  readonly opset: number;
  readonly operators: Readonly<Record<string, number>>;
  /** Bytes of float32 weights in MatMul and Gemm, in Conv, and in all. */
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
  const floats = graph.initializers.filter(({ datatype }) => datatype === 'float32');
  return {
    opset: graph.head.opset() ?? 0,
    operators,
    linearBytes: sum(linear),
    convBytes: sum(conv),
    floatBytes: sum(floats.map(({ byteLength }) => byteLength)),
    linearLayers: linear.length,
    convLayers: conv.length,
    quantized: Object.keys(operators).some((opType) => quantizedTypes.test(opType)),
    half: graph.initializers.some(({ datatype, dims }) => datatype === 'float16' && dims.length >= 2),
  };
}

/** Of the second input, which is the weight of all these operators, where it is constant float32. */
function weightBytes(graph: Graph, node: Node): number {
  const weight = graph.constantOf(node.inputs[1] ?? '');
  return weight?.datatype === 'float32' && weight.dims.length >= 2 ? weight.byteLength : 0;
}
