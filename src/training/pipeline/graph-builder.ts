/** Collects the nodes of a graph and names what lies between them. Called by the exporters of this folder. It checks nothing: the runtime does. */
import type { Attribute, Node, TensorLiteral, ValueInfo } from '../../onnx-file/model.ts';
import { makeNode, makeTensor } from '../../onnx-file/model.ts';

export class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly initializers: TensorLiteral[] = [];
  readonly inputs: ValueInfo[] = [];
  readonly outputs: ValueInfo[] = [];
  #names = 0;

  /** Adds a node with one output and returns its name. The graph's inputs must be there before, since they choose their names. */
  add(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    { domain = '', output = this.#name(opType) }: { readonly domain?: string; readonly output?: string } = {},
  ): string {
    this.nodes.push(makeNode(opType, inputs, [output], attributes, { domain }));
    return output;
  }

  /** A node of two outputs. */
  addPair(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): readonly [string, string] {
    const outputs = [this.#name(opType), this.#name(opType)] as const;
    this.nodes.push(makeNode(opType, inputs, outputs, attributes));
    return outputs;
  }

  floats(dims: readonly number[], values: ArrayLike<number>): string {
    return this.#constant(makeTensor(this.#name('floats'), 'float32', dims, Float32Array.from(values)));
  }

  doubles(dims: readonly number[], values: ArrayLike<number>): string {
    return this.#constant(makeTensor(this.#name('doubles'), 'float64', dims, Float64Array.from(values)));
  }

  integers(dims: readonly number[], values: readonly number[]): string {
    return this.#constant(makeTensor(this.#name('integers'), 'int64', dims, BigInt64Array.from(values, BigInt)));
  }

  #constant(literal: TensorLiteral): string {
    this.initializers.push(literal);
    return literal.name;
  }

  #name(kind: string): string {
    const name = `/${kind}_${this.#names++}`;
    return this.inputs.some((input) => input.name === name) ? this.#name(kind) : name;
  }
}

/** Numbers of TensorProto.DataType, for Cast. */
export const castTo = { float32: 1, int64: 7, float64: 11 } as const;
