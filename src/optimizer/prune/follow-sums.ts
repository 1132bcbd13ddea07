/** Channels through operators that take two values element by element: residual sums, gates, biases. Called by follow.ts. */
import type { Node } from '../graph/node.ts';
import type { ChannelFlow, ChannelMap } from './channel-flow.ts';

export function followTwo(flow: ChannelFlow, node: Node): boolean {
  const [left, right] = [flow.map(node.inputs[0]), flow.map(node.inputs[1])];
  const rank = flow.shape(node.outputs[0]!)?.length;
  if (left === undefined && right === undefined) return true;
  if (rank === undefined) return false;
  const joined = left !== undefined && right !== undefined ? joinBoth(flow, node, left, right, rank) : undefined;
  const map = joined ?? (left === undefined || right === undefined ? withOther(flow, node, rank) : undefined);
  if (map === undefined) return false;
  flow.maps.set(node.outputs[0]!, map);
  return true;
}

/** Channel by channel, where both have as many along the same axis of the output. */
function joinBoth(
  flow: ChannelFlow,
  node: Node,
  left: ChannelMap,
  right: ChannelMap,
  rank: number,
): ChannelMap | undefined {
  const axis = outputAxis(flow, node, 0, left, rank);
  if (axis !== outputAxis(flow, node, 1, right, rank)) return undefined;
  if (left.slots.length !== right.slots.length || left.span !== right.span) return undefined;
  for (const [index, slot] of left.slots.entries()) flow.slots.join(slot, right.slots[index]!);
  return { ...left, axis };
}

/** The other one is a constant, or the same for all channels. */
function withOther(flow: ChannelFlow, node: Node, rank: number): ChannelMap | undefined {
  const index = flow.map(node.inputs[0]) === undefined ? 1 : 0;
  const map = flow.map(node.inputs[index])!;
  const axis = outputAxis(flow, node, index, map, rank);
  const other = node.inputs[1 - index]!;
  const dims = flow.shape(other);
  if (dims === undefined) return undefined;
  const otherAxis = axis - (rank - dims.length);
  if (otherAxis < 0 || dims[otherAxis] === 1) return { ...map, axis };
  if (flow.graph.constantOf(other) === undefined) return undefined;
  flow.cut(node, 1 - index, otherAxis, map);
  return { ...map, axis };
}

function outputAxis(flow: ChannelFlow, node: Node, index: number, { axis }: ChannelMap, rank: number): number {
  return axis + rank - (flow.shape(node.inputs[index]!)?.length ?? rank);
}
