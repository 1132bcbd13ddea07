/** Which constants of a graph are weights that training may change. Called by step-graph.ts. Pure. */
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';

/** Inputs that hold weights; Add only behind a MatMul or Conv, where its constant is a bias. */
const weightInputs: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  Gemm: [1, 2],
  MatMul: [0, 1],
  Add: [0, 1],
};

/** Names of float32 constants, each once, in the order of the nodes. */
export function trainableConstants(graph: Graph): string[] {
  const names = new Set<string>();
  for (const node of graph.nodes) {
    if (node.domain !== '') continue;
    for (const index of weightInputs[node.opType] ?? []) {
      const name = node.inputs[index] ?? '';
      const constant = name === '' ? undefined : graph.constantOf(name);
      if (constant?.datatype !== 'float32' || constant.elementCount === 0) continue;
      if (node.opType !== 'Add' || isBias(graph, node, index)) names.add(name);
    }
  }
  return [...names].filter(
    (name) => !graph.isGraphOutput(name) && graph.consumersOf(name).every(({ index }) => index >= 0),
  );
}

function isBias(graph: Graph, node: Node, index: number): boolean {
  const other = graph.producerOf(node.inputs[1 - index]!);
  return other?.opType === 'MatMul' || other?.opType === 'Conv' || other?.opType === 'Gemm';
}
