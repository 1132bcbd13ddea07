/** Shapes behind operators that cut, stretch and reduce, where their arguments are constants. Called by static-shapes.ts. Pure. */
import type { Graph } from '../graph.ts';
import type { Node } from '../node.ts';
import type { Shape } from './static-shapes.ts';

/** Undefined: another operator, or an argument that is computed. */
export function arrangedShape(graph: Graph, node: Node, x: Shape): Shape | undefined {
  const argument = (index: number, attribute: string): number[] | undefined =>
    node.ints(attribute) ?? constantIntegers(graph, node.inputs[index]);
  switch (node.opType) {
    case 'Slice':
      return slice(x, argument(1, 'starts'), argument(2, 'ends'), argument(3, 'axes'), argument(4, 'steps'));
    case 'Resize':
    case 'Upsample':
      return resize(graph, node, x);
    case 'Unsqueeze':
      return unsqueeze(x, argument(1, 'axes'));
    case 'Squeeze':
      return squeeze(x, argument(1, 'axes'));
    default:
      return node.opType.startsWith('Reduce') ? reduce(node, x, argument(1, 'axes')) : undefined;
  }
}

function constantIntegers(graph: Graph, value: string | undefined): number[] | undefined {
  const constant = value === undefined || value === '' ? undefined : graph.constantOf(value);
  // Not `integers()`: the end of a slice may be the largest int64.
  return constant && Array.from(constant.data() as ArrayLike<number | bigint>, Number);
}

function slice(x: Shape, starts?: number[], ends?: number[], axes?: number[], steps?: number[]): Shape | undefined {
  if (starts === undefined || ends === undefined) return undefined;
  const shape = [...x];
  for (const [index, start] of starts.entries()) {
    const axis = positive(axes?.[index] ?? index, x.length);
    const size = x[axis]!;
    const step = steps?.[index] ?? 1;
    const lowest = step < 0 ? -1 : 0;
    const clamp = (at: number): number =>
      Math.min(Math.max(at < 0 ? at + size : at, lowest), step < 0 ? size - 1 : size);
    shape[axis] = Math.max(0, Math.ceil((clamp(ends[index]!) - clamp(start)) / step));
  }
  return shape;
}

function resize(graph: Graph, node: Node, x: Shape): Shape | undefined {
  const isResize = node.opType === 'Resize';
  const version = graph.head.opset('') ?? 0;
  const sizes = isResize && version >= 11 ? constantIntegers(graph, node.inputs[3]) : undefined;
  if (sizes?.length === x.length) return sizes;
  // Resize of opset 11 has the region of interest before the scales.
  const at = isResize && version >= 11 ? 2 : 1;
  const scales = node.floats('scales') ?? graph.constantOf(node.inputs[at] ?? '')?.floats();
  return scales?.length === x.length ? x.map((size, axis) => Math.floor(size * scales[axis]!)) : undefined;
}

function unsqueeze(x: Shape, axes?: number[]): Shape | undefined {
  if (axes === undefined) return undefined;
  const rank = x.length + axes.length;
  const added = new Set(axes.map((axis) => positive(axis, rank)));
  const rest = [...x];
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.shift()!));
}

/** Without axes it drops sizes of 1, which here may stand for any size. */
function squeeze(x: Shape, axes?: number[]): Shape | undefined {
  const gone = axes?.map((axis) => positive(axis, x.length));
  return gone && x.filter((_, axis) => !gone.includes(axis));
}

function reduce(node: Node, x: Shape, axes?: number[]): Shape | undefined {
  if (axes === undefined && node.inputs.length > 1) return undefined;
  const reduced = axes?.map((axis) => positive(axis, x.length)) ?? x.map((_, axis) => axis);
  if (node.int('keepdims', 1) === 1) return x.map((size, axis) => (reduced.includes(axis) ? 1 : size));
  return x.filter((_, axis) => !reduced.includes(axis));
}

function positive(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
