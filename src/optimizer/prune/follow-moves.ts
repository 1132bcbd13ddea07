/** Channels through operators that rearrange values: Flatten, Reshape, Squeeze, Transpose, Concat, Split, ReduceMean. Called by follow.ts. */
import { makeTensor } from '../../onnx-file/model.ts';
import type { Node } from '../graph/node.ts';
import type { ChannelFlow, ChannelMap } from './channel-flow.ts';

export function followMove(flow: ChannelFlow, node: Node): boolean {
  if (node.opType === 'Concat') return followConcat(flow, node);
  const map = flow.map(node.inputs[0]);
  if (map === undefined) return true;
  const shapes = [flow.shape(node.inputs[0]!), flow.shape(node.outputs[0]!)] as const;
  if (shapes[0] === undefined || shapes[1] === undefined) return false;
  if (node.opType === 'Split') return followSplit(flow, node, map, shapes[0].length);
  const moved = movedMap(flow, node, map, shapes[0], shapes[1]);
  if (moved === undefined) return false;
  flow.maps.set(node.outputs[0]!, moved);
  return true;
}

function movedMap(
  flow: ChannelFlow,
  node: Node,
  map: ChannelMap,
  from: readonly number[],
  to: readonly number[],
): ChannelMap | undefined {
  if (node.opType === 'Transpose') {
    const permutation = node.ints('perm', from.map((_, axis) => axis).toReversed());
    return { ...map, axis: permutation.indexOf(map.axis) };
  }
  if (map.axis !== 1) return undefined;
  if (node.opType === 'ReduceMean') return to[1] === from[1] && meansOfSpace(flow, node, from.length) ? map : undefined;
  if (node.opType === 'Squeeze') return from.slice(2).every((size) => size === 1) && to.length === 2 ? map : undefined;
  // [N, C, H, W] as [N, C * H * W].
  const rest = from.slice(2).reduce((product, size) => product * size, 1);
  if (to.length !== 2 || to[0] !== from[0] || to[1] !== from[1]! * rest) return undefined;
  const flat = { ...map, span: map.span * rest };
  return node.opType === 'Flatten' || adjustReshape(flow, node, flat) ? flat : undefined;
}

function meansOfSpace(flow: ChannelFlow, node: Node, rank: number): boolean {
  const given = node.inputs[1] ?? '';
  const axes = node.ints('axes') ?? (given === '' ? undefined : flow.graph.constantOf(given)?.integers());
  return axes?.every((axis) => (axis < 0 ? axis + rank : axis) > 1) ?? false;
}

/** A shape that names the number of columns has to be rewritten. */
function adjustReshape(flow: ChannelFlow, node: Node, flat: ChannelMap): boolean {
  const name = node.inputs[1] ?? '';
  const shape = name === '' ? undefined : flow.graph.constantOf(name)?.integers();
  if (shape === undefined || shape.length !== 2 || node.int('allowzero', 0) === 1) return false;
  if (shape[1] === -1) return true;
  flow.adjustments.push((graph, isKept) => {
    const dims = BigInt64Array.of(BigInt(shape[0]!), BigInt(flat.slots.filter(isKept).length * flat.span));
    const made = graph.addInitializer(makeTensor(graph.freshName('reshape_to'), 'int64', [2], dims));
    graph.replaceInput(node, 1, made.name);
  });
  return true;
}

function followConcat(flow: ChannelFlow, node: Node): boolean {
  const maps = node.inputs.map((input) => flow.map(input));
  const known = maps.find((map) => map !== undefined);
  if (known === undefined) return true;
  const rank = flow.shape(node.inputs[0]!)?.length ?? 0;
  const stated = node.int('axis', 0);
  const axis = stated < 0 ? stated + rank : stated;
  const same = maps.every((map) => map === undefined || (map.axis === axis && map.span === known.span));
  if (!same) return false;
  const slots = node.inputs.flatMap((input, index) => maps[index]?.slots ?? pinned(flow, input, axis, known.span));
  flow.maps.set(node.outputs[0]!, { ...known, slots });
  return true;
}

/** Channels of unknown origin, which stay. */
function pinned(flow: ChannelFlow, value: string, axis: number, span: number): readonly number[] {
  const slots = flow.slots.add((flow.shape(value)?.[axis] ?? 0) / span);
  flow.slots.pin(slots);
  return slots;
}

function followSplit(flow: ChannelFlow, node: Node, map: ChannelMap, rank: number): boolean {
  const stated = node.int('axis', 0);
  if ((stated < 0 ? stated + rank : stated) !== map.axis || map.span !== 1) return false;
  const sizesName = node.inputs[1] ?? '';
  const sizes = sizesName === '' ? undefined : flow.graph.constantOf(sizesName)?.integers();
  if (sizes === undefined) return false;
  let start = 0;
  const parts = sizes.map((size) => {
    start += size;
    return map.slots.slice(start - size, start);
  });
  for (const [index, output] of node.outputs.entries()) flow.maps.set(output, { ...map, slots: parts[index]! });
  flow.adjustments.push((graph, isKept) => {
    const left = BigInt64Array.from(parts, (slots) => BigInt(slots.filter(isKept).length));
    const made = graph.addInitializer(makeTensor(graph.freshName('split_sizes'), 'int64', [left.length], left));
    graph.replaceInput(node, 1, made.name);
  });
  return true;
}
