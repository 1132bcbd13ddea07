/**
 * Which layers could be made smaller by which method, and why others not. Called by inspect. A forecast by structure alone:
 * `hotpath optimize` tries it, and verifies.
 */
import type { Constant } from '../constant.ts';
import type { Graph } from '../graph.ts';
import type { Node } from '../node.ts';

export const methods = ['dynamic INT8', 'static INT8', 'weight-only INT4', 'FP16'] as const;
export type Method = (typeof methods)[number];

/** `yes`, or the reason why not. */
export type Verdicts = Readonly<Record<Method, string>>;

/** Below this, other layers than these are scales and shifts. */
const bigElements = 1000;

/** Undefined: no layer with weights to speak of. */
export function judge(graph: Graph, node: Node): Verdicts | undefined {
  if (node.domain !== '' && node.domain !== 'com.microsoft') return undefined;
  const { opType } = node;
  if (opType !== 'MatMul' && opType !== 'Gemm' && opType !== 'Conv') return judgeOther(graph, node);
  const obstacle = weightObstacle(graph, node);
  if (obstacle !== undefined) return { ...all(obstacle), FP16: fp16(graph, node) };
  const isConv = opType === 'Conv';
  return {
    'dynamic INT8': isConv
      ? 'Conv with dynamic INT8 is slower than float'
      : node.int('transA', 0) === 1
        ? 'its input is transposed'
        : 'yes',
    'static INT8': staticObstacle(graph, node) ?? 'yes',
    'weight-only INT4': isConv ? 'the runtime has no 4-bit Conv' : 'yes',
    FP16: fp16(graph, node),
  };
}

/** Layers with weights that only FP16 reaches. */
function judgeOther(graph: Graph, node: Node): Verdicts | undefined {
  const weights = node.inputs.map((input) => graph.constantOf(input));
  const isBig = weights.some(
    (weight) => weight !== undefined && isWeight(weight) && weight.elementCount >= bigElements,
  );
  return isBig ? { ...all(`${node.opType} layers are not quantized`), FP16: 'yes' } : undefined;
}

function all(reason: string): Verdicts {
  return { 'dynamic INT8': reason, 'static INT8': reason, 'weight-only INT4': reason, FP16: reason };
}

function weightObstacle(graph: Graph, node: Node): string | undefined {
  const name = node.inputs[1] ?? '';
  const weight = graph.constantOf(name);
  if (weight === undefined) {
    const source = graph.producerOf(name);
    if (source?.opType === 'DequantizeLinear') return 'its weights are quantized already';
    if (graph.isInitializer(name)) return 'callers may override its weights, which are inputs of the graph';
    return 'its weights are computed when it runs';
  }
  // Of float16 models the optimizer makes float32 ones first.
  if (weight.datatype !== 'float32' && weight.datatype !== 'float16') return `its weights are ${weight.datatype}`;
  if (weight.dims.length < 2) return 'its weights have one dimension';
  if (node.opType !== 'Conv' && weight.dims.length > 2) return 'its weights have more than two dimensions';
  if (graph.consumersOf(name).length > 1) return 'its weights are shared with another layer';
  return undefined;
}

function staticObstacle(graph: Graph, node: Node): string | undefined {
  const opset = graph.head.opset('') ?? 0;
  // Newer ones are raised to the first that has all it takes.
  if (opset < 7) return `opset ${opset} is older than 7`;
  const bias = node.inputs[2] ?? '';
  if (bias !== '' && graph.constantOf(bias) === undefined) return 'its bias is computed when it runs';
  return undefined;
}

function fp16(graph: Graph, node: Node): string {
  const weights = node.inputs.map((input) => graph.constantOf(input)).filter((constant) => constant !== undefined);
  if (weights.some(isWeight)) return 'yes';
  const isHalf = weights.some(({ datatype }) => datatype === 'float16');
  return isHalf ? 'its weights are float16 already' : 'it has no float32 weights';
}

/** Scales, shapes and the like are no weights. */
function isWeight({ datatype, elementCount }: Constant): boolean {
  return datatype === 'float32' && elementCount > 1;
}
