/**
 * Appends the nodes of a training step to a graph: operators by name, constants, and gradients that sum up where a value is used
 * more than once. Called by backward.ts, the gradient rules, the losses and adam.ts. It only appends: the forward nodes stay as
 * they are.
 */
import { invalidInput } from '../../core/errors.ts';
import { elementCount } from '../../core/tensor.ts';
import type { Attribute } from '../../onnx-file/model.ts';
import { int, makeNode, makeTensor } from '../../onnx-file/model.ts';
import type { Graph } from '../graph/graph.ts';
import { describeNode, type Node } from '../graph/node.ts';

/** Shapes of all float values for one batch size. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

export class StepBuilder {
  readonly graph: Graph;
  readonly #shapes: Map<string, readonly number[]>;
  readonly #gradients = new Map<string, string>();
  readonly #constants = new Map<string, string>();

  constructor(graph: Graph, shapes: Shapes) {
    this.graph = graph;
    this.#shapes = new Map(shapes);
  }

  /** @throws INVALID_INPUT where the value was not seen in the run that found the shapes */
  shape(value: string): readonly number[] {
    const shape = this.#shapes.get(value) ?? this.graph.constantOf(value)?.dims;
    if (shape === undefined) throw invalidInput(value, `The shape of "${value}" is not known.`);
    return shape;
  }

  setShape(value: string, shape: readonly number[]): void {
    this.#shapes.set(value, shape);
  }

  /** Appends a node. @returns its only output */
  op(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = this.graph.freshName(`step_${opType}`);
    this.graph.append(makeNode(opType, inputs, [output], attributes));
    return output;
  }

  /** A float32 scalar; equal ones are made once. */
  scalar(value: number): string {
    return this.#shared(`scalar ${value}`, () => makeTensor('', 'float32', [], Float32Array.of(value)));
  }

  floats(dims: readonly number[], values: Float32Array<ArrayBuffer>): string {
    const name = this.graph.freshName('step_values');
    return this.graph.addInitializer({ ...makeTensor(name, 'float32', dims, values), name }).name;
  }

  /** A one-dimensional int64 constant: axes, shapes, starts and ends. */
  integers(values: readonly number[]): string {
    return this.#shared(`integers ${values}`, () =>
      makeTensor('', 'int64', [values.length], BigInt64Array.from(values, BigInt)),
    );
  }

  reshape(value: string, shape: readonly number[]): string {
    return this.op('Reshape', [value, this.integers(shape)]);
  }

  transpose(value: string, permutation: readonly number[]): string {
    return this.op('Transpose', [value], { perm: { type: 'ints', value: permutation } });
  }

  sum(value: string, axes: readonly number[], keepDims = false): string {
    return this.op('ReduceSum', [value, this.integers(axes)], { keepdims: int(keepDims ? 1 : 0) });
  }

  /** `value` of shape `from`, summed over what was broadcast from `to`. */
  sumTo(value: string, from: readonly number[], to: readonly number[]): string {
    const extra = from.length - to.length;
    const axes = from
      .map((_, axis) => axis)
      .filter((axis) => axis < extra || (to[axis - extra] === 1 && from[axis] !== 1));
    if (axes.length === 0) return value;
    const summed = this.sum(value, axes, true);
    return extra === 0 ? summed : this.reshape(summed, to);
  }

  gradientOf(value: string): string | undefined {
    return this.#gradients.get(value);
  }

  /** Adds a share of the gradient of `value`. */
  addGradient(value: string, share: string): void {
    const known = this.#gradients.get(value);
    this.#gradients.set(value, known === undefined ? share : this.op('Add', [known, share]));
  }

  /** Of constants only: attributes of rules such as axes and limits. @throws INVALID_INPUT naming the node */
  integersOf(node: Node, index: number): number[] | undefined {
    const input = node.inputs[index] ?? '';
    if (input === '') return undefined;
    const constant = this.graph.constantOf(input);
    if (constant === undefined) {
      throw invalidInput(node.name, `Training needs input ${index} of ${describeNode(node)} to be a constant.`);
    }
    return constant.integers();
  }

  #shared(key: string, make: () => ReturnType<typeof makeTensor>): string {
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.graph.addInitializer({ ...make(), name: this.graph.freshName('step_constant') }).name;
    this.#constants.set(key, name);
    return name;
  }
}

export function countOf(shape: readonly number[]): number {
  return elementCount(shape);
}
