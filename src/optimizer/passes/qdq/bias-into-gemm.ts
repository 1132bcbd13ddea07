/**
 * Turns MatMul + Add of a constant row into Gemm, where the input is a matrix. The runtime would do the same when it loads the
 * model, but with a float bias, and Gemm has an integer kernel only with an integer one. Called by static quantization.
 */
import { makeNode, makeTensor } from '../../../onnx-file/model.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { isFixed } from './layers.ts';

export interface BiasPair {
  readonly matMul: Node;
  readonly add: Node;
  readonly bias: string;
}

/** MatMul nodes with constant weights whose result only an Add of a constant row takes. */
export function findBiasPairs(graph: Graph): BiasPair[] {
  return graph.nodes.flatMap((matMul) => {
    if (matMul.opType !== 'MatMul' || matMul.domain !== '') return [];
    const weight = graph.constantOf(matMul.inputs[1]!);
    const uses = graph.consumersOf(matMul.outputs[0]!);
    const add = uses[0]?.node;
    if (weight?.dims.length !== 2 || uses.length !== 1 || add?.opType !== 'Add' || isFixed(graph, matMul.outputs[0]!)) {
      return [];
    }
    const bias = add.inputs[1 - uses[0]!.index]!;
    const constant = graph.constantOf(bias);
    if (constant === undefined || constant.datatype !== 'float32' || constant.dims.length > 2) return [];
    const isRow = constant.elementCount === weight.dims[1] && constant.dims.at(-1) === weight.dims[1];
    return isRow ? [{ matMul, add, bias }] : [];
  });
}

/** @param isMatrix whether a value has two dimensions. @returns how many were turned */
export function foldBiasIntoGemm(graph: Graph, isMatrix: (value: string) => boolean): number {
  const pairs = findBiasPairs(graph).filter(({ matMul }) => isMatrix(matMul.inputs[0]!));
  for (const { matMul, add, bias } of pairs) {
    const [input, weight] = matMul.inputs;
    // In the place of the Add, whose name result and reports keep; a bias of one dimension of its own.
    const constant = graph.constantOf(bias)!;
    const row = graph.freshName(`${bias}_row`);
    graph.addInitializer(makeTensor(row, 'float32', [constant.elementCount], constant.floats().slice()));
    graph.replaceNode(add, [makeNode('Gemm', [input!, weight!, row], add.outputs, {}, { name: matMul.name })]);
    graph.remove(matMul);
  }
  return pairs.length;
}
