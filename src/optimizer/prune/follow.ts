/**
 * Follows channels from the layers that make them to those that take them. What it has no rule for keeps its channels, and is
 * reported. Called by the structured pruning pass.
 */
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';
import { ChannelFlow } from './channel-flow.ts';
import { followLayer } from './follow-layers.ts';
import { followMove } from './follow-moves.ts';
import { followTwo } from './follow-sums.ts';

/** @returns false where it has no rule for this node */
export type FollowRule = (flow: ChannelFlow, node: Node) => boolean;

/** Each element of the output comes from the same one of the input, or from neighbours in its channel. */
const unaryOps = new Set(
  'Abs,Cast,Celu,Clip,Dropout,Elu,Erf,Exp,Gelu,HardSigmoid,HardSwish,Identity,LeakyRelu,Mish,Neg,QuickGelu,Relu,Selu,Sigmoid,Softplus,Softsign,Sqrt,Tanh,ThresholdedRelu'.split(
    ',',
  ),
);
const poolOps = new Set(['AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'LpPool', 'MaxPool']);

const rules: Readonly<Record<string, FollowRule>> = {
  Conv: followLayer,
  Gemm: followLayer,
  MatMul: followLayer,
  Add: followTwo,
  Sub: followTwo,
  Mul: followTwo,
  Div: followTwo,
  PRelu: followTwo,
  BatchNormalization: followNorm,
  InstanceNormalization: followNorm,
  Flatten: followMove,
  Reshape: followMove,
  Squeeze: followMove,
  Transpose: followMove,
  Concat: followMove,
  Split: followMove,
  ReduceMean: followMove,
  Resize: followResize,
};

/** @param shapes of all values, for one row */
export function followChannels(
  graph: Graph,
  shapes: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): ChannelFlow {
  const flow = new ChannelFlow(graph, shapes);
  for (const node of graph.nodes) {
    if (graph.constantOf(node.outputs[0] ?? '') !== undefined) continue;
    if (!follow(flow, node)) flow.stop(node, `channels cannot be followed through ${node.opType}: kept`);
  }
  for (const { name } of graph.outputs) flow.pinValue(name);
  return flow;
}

function follow(flow: ChannelFlow, node: Node): boolean {
  if (node.bodies.uses.size > 0 || (node.domain !== '' && node.domain !== 'com.microsoft')) return false;
  if (unaryOps.has(node.opType)) return pass(flow, node);
  if (poolOps.has(node.opType))
    return flow.map(node.inputs[0])?.axis === 1 && node.outputs.length === 1 && pass(flow, node);
  return rules[node.opType]?.(flow, node) ?? false;
}

function pass(flow: ChannelFlow, node: Node): boolean {
  const map = flow.map(node.inputs[0]);
  if (map !== undefined) flow.maps.set(node.outputs[0]!, map);
  return true;
}

/** Pictures get larger or smaller; channels stay as many. */
function followResize(flow: ChannelFlow, node: Node): boolean {
  const scales = flow.graph.constantOf(node.inputs[2] ?? '') ?? flow.graph.constantOf(node.inputs[1] ?? '');
  const map = flow.map(node.inputs[0]);
  if (map === undefined) return true;
  const factors = scales?.datatype === 'float32' ? scales.floats() : [];
  return map.axis === 1 && factors[0] === 1 && factors[1] === 1 && (node.inputs[3] ?? '') === '' && pass(flow, node);
}

function followNorm(flow: ChannelFlow, node: Node): boolean {
  const map = flow.map(node.inputs[0]);
  if (map === undefined) return true;
  if (map.axis !== 1 || node.outputs.length !== 1) return false;
  for (let index = 1; index < node.inputs.length; index++) flow.cut(node, index, 0, map);
  flow.maps.set(node.outputs[0]!, map);
  return true;
}
