/**
 * Fully connected layers: MatMul and Gemm with a constant weight matrix, seen alike. Called by the passes that quantize weights
 * only or on the fly. Says of each other MatMul, Gemm and Conv why it is not one; changes nothing.
 */
import type { ElementType } from '../../../onnx-file/element-type.ts';
import type { Constant } from '../../graph/constant.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import type { LayerChange } from '../../pass.ts';

export interface LinearLayer {
  readonly node: Node;
  readonly input: string;
  readonly weight: Constant;
  /** Length of the sums. */
  readonly inner: number;
  /** Number of results per row. */
  readonly outer: number;
  /** The weight is stored as [outer, inner]. */
  readonly transposed: boolean;
  /** Factor on the product. */
  readonly alpha: number;
  /** Value that is added after multiplication by `beta`. */
  readonly bias: string | undefined;
  readonly beta: number;
}

export interface FoundLayers {
  readonly layers: readonly LinearLayer[];
  readonly skipped: readonly LayerChange[];
}

/** @param exclude names of nodes, as reports give them, that stay as they are */
export function findLinearLayers(graph: Graph, exclude: readonly string[] = []): FoundLayers {
  const layers: LinearLayer[] = [];
  const skipped: LayerChange[] = [];
  for (const node of graph.nodes) {
    if (node.domain !== '' || (node.opType !== 'MatMul' && node.opType !== 'Gemm')) continue;
    const found = exclude.includes(layerName(node)) ? 'excluded by the settings' : readLayer(graph, node);
    if (typeof found === 'string') skipped.push(layerChange(node, found));
    else layers.push(found);
  }
  return { layers, skipped };
}

/** The node's name, or that of what it makes. */
export function layerName(node: Node): string {
  return node.name === '' ? (node.outputs[0] ?? '') : node.name;
}

export function layerChange(node: Node, what: string): LayerChange {
  return { node: layerName(node), opType: node.opType, what };
}

/** Or the reason why it cannot be one. */
function readLayer(graph: Graph, node: Node): LinearLayer | string {
  const [input = '', weightName = '', bias = ''] = node.inputs;
  // Old exporters list weights among the inputs; the passes take them out of there.
  const weight = graph.constantOf(weightName) ?? graph.initializer(weightName);
  if (weight === undefined) {
    return graph.constantOf(input) === undefined
      ? 'both sides of the product are computed, there is no weight'
      : 'its constant stands on the left side of the product';
  }
  const problem = weightProblem(graph, weight, node);
  if (problem !== undefined) return problem;
  const isGemm = node.opType === 'Gemm';
  if (isGemm && node.int('transA', 0) !== 0) return 'its input is transposed (transA)';
  const transposed = isGemm && node.int('transB', 0) !== 0;
  const [rows = 0, columns = 0] = weight.dims;
  return {
    node,
    input,
    weight,
    inner: transposed ? columns : rows,
    outer: transposed ? rows : columns,
    transposed,
    alpha: isGemm ? node.float('alpha', 1) : 1,
    bias: isGemm && bias !== '' ? bias : undefined,
    beta: isGemm ? node.float('beta', 1) : 1,
  };
}

const halves: ReadonlySet<ElementType> = new Set(['float16', 'bfloat16']);

function weightProblem(graph: Graph, weight: Constant, node: Node): string | undefined {
  if (halves.has(weight.datatype)) return `its weight is ${weight.datatype} already`;
  if (weight.datatype !== 'float32') return `its weight is ${weight.datatype}, not float32`;
  if (weight.dims.length !== 2) return `its weight has ${weight.dims.length} dimensions, not 2`;
  if (weight.elementCount === 0) return 'its weight is empty';
  const name = node.inputs[1]!;
  const others = graph.consumersOf(name).filter((use) => use.node !== node || use.index !== 1);
  if (others.length > 0) {
    const [other] = others;
    return `its weight is tied: ${other!.node.opType} "${layerName(other!.node)}" uses it too`;
  }
  return graph.isGraphOutput(name) ? 'its weight is an output of the model' : undefined;
}
