/**
 * Shapes as far as they can be told without running: from what the file says, and through the operators that make up most
 * networks. Called by inspect. Every size that is only named counts as 1; what is not certain stays unknown.
 */
import type { Graph } from '../graph.ts';
import type { Node } from '../node.ts';
import { paddingOf } from '../padding.ts';
import { arrangedShape } from './static-arranging.ts';

export type Shape = readonly number[];
export type ShapeOf = (value: string) => Shape | undefined;

const sameShape = new Set(
  `Relu LeakyRelu PRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Tanh Softplus Softsign Gelu Mish Erf Exp Log Sqrt Abs Neg
  Clip Cast Identity Dropout Softmax LogSoftmax BatchNormalization InstanceNormalization LayerNormalization LRN
  QuantizeLinear DequantizeLinear Floor Ceil Round Sign Reciprocal ThresholdedRelu Hardmax LpNormalization`.split(
    /\s+/,
  ),
);
const broadcast = new Set('Add Sub Mul Div Pow Min Max Sum Mean And Or Xor Equal Greater Less Where'.split(' '));

/** One walk in topological order; a graph that is not sorted knows less. */
export function staticShapes(graph: Graph): ShapeOf {
  const known = new Map<string, Shape>();
  const shapeOf: ShapeOf = (value) => known.get(value) ?? statedShape(graph, value);
  for (const node of graph.nodes) {
    const shape = safely(() => shapeOfFirstOutput(graph, node, shapeOf));
    const [output] = node.outputs;
    if (output !== undefined && shape?.every((size) => size >= 0) && statedShape(graph, output) === undefined) {
      known.set(output, shape);
    }
  }
  return shapeOf;
}

/** A damaged attribute costs the shape, not the report. */
function safely<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch {
    return undefined;
  }
}

function statedShape(graph: Graph, value: string): Shape | undefined {
  const dims = safely(() => graph.initializer(value)?.dims ?? graph.typeOf(value)?.dims);
  return dims?.map((dim) => (typeof dim === 'string' ? 1 : dim));
}

function shapeOfFirstOutput(graph: Graph, node: Node, shapeOf: ShapeOf): Shape | undefined {
  if (node.domain !== '') return undefined;
  const shapes = node.inputs.map((input) => (input === '' ? undefined : shapeOf(input)));
  const [x, w] = shapes;
  if (broadcast.has(node.opType)) return broadcastShapes(shapes);
  if (x === undefined) return undefined;
  if (sameShape.has(node.opType)) return x;
  switch (node.opType) {
    case 'Conv':
      return w && [x[0]!, w[0]!, ...slide(node, x.slice(2), node.ints('kernel_shape', w.slice(2)))];
    case 'MaxPool':
    case 'AveragePool':
      return [...x.slice(0, 2), ...slide(node, x.slice(2), node.ints('kernel_shape', []))];
    case 'GlobalAveragePool':
    case 'GlobalMaxPool':
      return [...x.slice(0, 2), ...x.slice(2).map(() => 1)];
    case 'MatMul':
      return w && matMulShape(x, w);
    case 'Gemm':
      return w && [x[node.int('transA', 0) === 1 ? 1 : 0]!, w[node.int('transB', 0) === 1 ? 0 : 1]!];
    case 'Flatten':
      return flatten(x, node.int('axis', 1));
    case 'Transpose':
      return node
        .ints(
          'perm',
          x.map((_, axis) => x.length - 1 - axis),
        )
        .map((axis) => x[axis]!);
    case 'Concat':
      return concat(shapes, node.int('axis', 0));
    case 'Gather':
      return w && [...x.slice(0, axisOf(node, x)), ...w, ...x.slice(axisOf(node, x) + 1)];
    case 'Reshape':
      return reshape(x, node.ints('shape') ?? graph.constantOf(node.inputs[1]!)?.integers());
    default:
      return arrangedShape(graph, node, x);
  }
}

function axisOf(node: Node, x: Shape): number {
  const axis = node.int('axis', 0);
  return axis < 0 ? axis + x.length : axis;
}

function broadcastShapes(shapes: readonly (Shape | undefined)[]): Shape | undefined {
  const given = shapes.filter((shape) => shape !== undefined);
  if (given.length !== shapes.length) return undefined;
  const rank = Math.max(...given.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) =>
    given.reduce((size, shape) => Math.max(size, shape[axis - rank + shape.length] ?? 1), 1),
  );
}

function slide(node: Node, sizes: readonly number[], kernel: readonly number[]): number[] {
  const auto = node.text('auto_pad', 'NOTSET');
  const strides = node.ints(
    'strides',
    sizes.map(() => 1),
  );
  const dilations = node.ints(
    'dilations',
    sizes.map(() => 1),
  );
  const round = node.int('ceil_mode', 0) === 1 ? Math.ceil : Math.floor;
  return sizes.map((size, axis) => {
    if (auto.startsWith('SAME')) return Math.ceil(size / strides[axis]!);
    const [before, after] = paddingOf(node, axis, kernel[axis]!, size);
    return round((size + before + after - dilations[axis]! * (kernel[axis]! - 1) - 1) / strides[axis]!) + 1;
  });
}

function matMulShape(a: Shape, b: Shape): Shape | undefined {
  if (a.length < 2 || b.length < 2) return undefined;
  const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)])!;
  return [...batch, a.at(-2)!, b.at(-1)!];
}

function flatten(x: Shape, axis: number): Shape {
  const at = axis < 0 ? axis + x.length : axis;
  return [product(x.slice(0, at)), product(x.slice(at))];
}

function concat(shapes: readonly (Shape | undefined)[], axis: number): Shape | undefined {
  const [first] = shapes;
  if (first === undefined || shapes.includes(undefined)) return undefined;
  const at = axis < 0 ? axis + first.length : axis;
  return first.with(
    at,
    shapes.reduce((sum, shape) => sum + shape![at]!, 0),
  );
}

function reshape(x: Shape, wanted: readonly number[] | undefined): Shape | undefined {
  if (wanted === undefined) return undefined;
  const shape = wanted.map((size, axis) => (size === 0 ? x[axis]! : size));
  const rest = product(x) / product(shape.filter((size) => size !== -1));
  return shape.map((size) => (size === -1 ? rest : size));
}

export function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}
