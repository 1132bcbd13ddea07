/**
 * Brings a graph to the opset that training steps are written in, where none of its operators changes its meaning on the way.
 * Called by step-graph.ts for its own copy of the graph: the model itself keeps its opset.
 */
import { HotpathError } from '../../core/errors.ts';
import { int } from '../../onnx-file/model.ts';
import type { Graph } from '../graph/graph.ts';
import { describeNode, type Node } from '../graph/node.ts';

/** ScatterElements adds since 16; ReduceSum takes axes as an input since 13. */
const neededOpset = 16;

/** The opset from which an operator means something else, or takes its settings otherwise. */
const changedIn: Readonly<Record<string, number>> = {
  Add: 7,
  BatchNormalization: 9,
  Clip: 11,
  Div: 7,
  Dropout: 12,
  Gemm: 7,
  Hardmax: 13,
  LogSoftmax: 13,
  Mul: 7,
  Pad: 11,
  PRelu: 7,
  ReduceSum: 13,
  Resize: 11,
  Slice: 10,
  Softmax: 13,
  Split: 13,
  Squeeze: 13,
  Sub: 7,
  TopK: 11,
  Unsqueeze: 13,
  Upsample: 99,
};

/** @throws INVALID_INPUT naming a node that would change its meaning */
export function raiseOpset(graph: Graph): void {
  const opset = graph.head.opset() ?? neededOpset;
  if (opset >= neededOpset) return;
  for (const node of graph.nodes) {
    if (node.domain !== '' || opset >= (changedIn[node.opType] ?? 0) || convert(graph, node)) continue;
    throw new HotpathError(
      'INVALID_INPUT',
      `Training needs opset ${neededOpset}; ${describeNode(node)} of opset ${opset} would change its meaning.`,
      { field: node.name },
    );
  }
  graph.head.setOpset('', neededOpset);
  graph.head.irVersion = Math.max(graph.head.irVersion, 8);
}

/** @returns whether the node now means the same in the new opset */
function convert(graph: Graph, node: Node): boolean {
  if (node.opType === 'Dropout') return graph.bypass(node);
  if (node.opType === 'Clip') return clipInputs(graph, node);
  if (node.opType !== 'Softmax' && node.opType !== 'LogSoftmax') return false;
  // Before 13 all axes from this one on were one: for a matrix that is its last axis.
  if (graph.typeOf(node.outputs[0]!)?.dims?.length !== 2 || node.int('axis', 1) !== 1) return false;
  node.setAttribute('axis', int(1));
  return true;
}

function clipInputs(graph: Graph, node: Node): boolean {
  for (const [index, name] of [
    [1, 'min'],
    [2, 'max'],
  ] as const) {
    const value = node.float(name);
    if (value === undefined) continue;
    const raw = new Uint8Array(Float32Array.of(value).buffer);
    const limit = graph.addInitializer({ name: graph.freshName(`step_${name}`), datatype: 'float32', dims: [], raw });
    graph.replaceInput(node, index, limit.name);
    node.removeAttribute(name);
  }
  return true;
}
