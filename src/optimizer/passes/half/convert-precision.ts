/**
 * Moves nodes from float32 to float16 or back, with a Cast wherever a value is needed in the type that it no longer has: one per value and
 * direction. Called by float16.ts and float32.ts, which decide which nodes. Edits the graph; owns nothing.
 */
import type { Node as NodeLiteral } from '../../../onnx-file/model.ts';
import { int, makeNode, makeTensor, makeValueInfo, tensor } from '../../../onnx-file/model.ts';
import { dataTypes } from '../../../onnx-file/schema.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import type { LayerChange, PassReport } from '../../pass.ts';
import { layerChange } from '../linear/find-layers.ts';
import type { ConvertedConstants, Precision } from './converted-constants.ts';

export interface Conversion {
  readonly from: Precision;
  readonly to: Precision;
  /** Inputs and inner values that are tensors of `from`; constants are not among them. */
  readonly values: ReadonlySet<string>;
  readonly constants: ConvertedConstants;
  /** Inputs and outputs of the model stay what they are. */
  readonly keepIoTypes: boolean;
  /** Inputs of these nodes that stay `from` nevertheless. */
  readonly keepsInput?: (node: Node, index: number) => boolean;
}

/**
 * @param reasonOf why a node stays in the old type; undefined: it is converted
 * @returns which nodes were, and why the others that take or make such tensors were not; both are empty where there are none
 */
export function convertPrecision(
  graph: Graph,
  conversion: Conversion,
  reasonOf: (node: Node) => string | undefined,
): Pick<PassReport, 'changed' | 'skipped'> {
  const { from, to, values } = conversion;
  const touches = ({ inputs, outputs }: Node): boolean =>
    outputs.some((output) => values.has(output)) ||
    inputs.some((input) => values.has(input) || graph.constantOf(input)?.datatype === from);
  const touching = graph.nodes.filter((node) => node.opType !== 'Constant' && touches(node));
  const nodes = new Set(touching.filter((node) => reasonOf(node) === undefined));
  const skipped = touching.flatMap((node): LayerChange[] => {
    const reason = reasonOf(node);
    return reason === undefined ? [] : [layerChange(node, reason)];
  });
  if (nodes.size > 0) new Converter(graph, conversion, nodes).convert();
  return { changed: [...nodes].map((node) => layerChange(node, `computes in ${to}`)), skipped };
}

/** Without a name: those of nodes must be unique too, and the value's own is often its maker's. */
const cast = (from: string, to: string, type: Precision): NodeLiteral =>
  makeNode('Cast', [from], [to], { to: int(dataTypes[type]) }, { name: '' });

class Converter {
  readonly #graph: Graph;
  readonly #asked: Conversion;
  /** Those that compute in the new type from now on. */
  readonly #nodes: ReadonlySet<Node>;
  /** Values that the nodes make, by the name they had, with the name under which they have the new type. */
  readonly #converted = new Map<string, string>();
  /** The same values in the old type, where somebody needs them. */
  readonly #castBack = new Map<string, string>();

  constructor(graph: Graph, conversion: Conversion, nodes: ReadonlySet<Node>) {
    this.#graph = graph;
    this.#asked = conversion;
    this.#nodes = nodes;
  }

  convert(): void {
    const { values, keepIoTypes } = this.#asked;
    const before = this.#graph.nodes;
    if (!keepIoTypes) this.#convertInputs();
    for (const node of this.#nodes) {
      this.#convertAttributes(node);
      for (const [index, output] of node.outputs.entries()) {
        if (values.has(output)) this.#convertOutput(node, index, output);
      }
    }
    // What comes in as it was needs no Cast to be that again.
    for (const { name } of this.#graph.inputs) if (!this.#converted.has(name)) this.#castBack.set(name, name);
    for (const node of before) this.#connect(node);
    this.#graph.dropValueInfos();
    this.#graph.removeUnused();
  }

  #convertInputs(): void {
    const { values, to } = this.#asked;
    for (const { name, type } of this.#graph.inputs) {
      if (!values.has(name) || this.#isUsedInBody(name)) continue;
      this.#graph.setGraphInput(makeValueInfo(name, to, type.dims ?? []));
      this.#converted.set(name, name);
    }
  }

  #isUsedInBody(value: string): boolean {
    return this.#graph.consumersOf(value).some(({ index }) => index < 0);
  }

  /** The output has the new type now; names that others rely on having the old one are given to a Cast. */
  #convertOutput(node: Node, index: number, output: string): void {
    const { from, to, keepIoTypes } = this.#asked;
    const isOutput = this.#graph.isGraphOutput(output);
    if ((isOutput && keepIoTypes) || this.#isUsedInBody(output)) {
      const inner = this.#graph.splitOutput(node, index);
      this.#graph.insertAfter(node, cast(inner, output, from));
      this.#converted.set(output, inner);
      this.#castBack.set(output, output);
      return;
    }
    this.#converted.set(output, output);
    if (!isOutput) return;
    const entry = this.#graph.outputs.find(({ name }) => name === output)!;
    this.#graph.setGraphOutput(makeValueInfo(output, to, entry.type.dims ?? []));
  }

  #convertAttributes(node: Node): void {
    const { from, to, values, constants } = this.#asked;
    if (node.opType === 'Cast' && values.has(node.outputs[0]!)) {
      node.setAttribute('to', int(dataTypes[to]));
    } else if (node.opType === 'ConstantOfShape') {
      // Without one it fills with zeros of float32.
      const value = node.tensor('value');
      if ((value?.datatype ?? 'float32') !== from) return;
      const converted = constants.convert(value?.floats() ?? Float32Array.of(0));
      node.setAttribute('value', tensor(makeTensor('', to, [1], converted)));
    }
  }

  /** Gives the node each of its inputs in the type it takes. */
  #connect(node: Node): void {
    const { from, values, constants, keepsInput } = this.#asked;
    for (const [index, input] of node.inputs.entries()) {
      if (input === '') continue;
      const converts = this.#nodes.has(node) && keepsInput?.(node, index) !== true;
      const constant = this.#graph.constantOf(input);
      if (constant !== undefined) {
        if (converts && constant.datatype === from) {
          this.#graph.replaceInput(node, index, constants.nameOf(input, constant));
        }
      } else if (values.has(input)) {
        this.#graph.replaceInput(node, index, converts ? this.#convertedOf(input, node) : this.#oldOf(input, node));
      }
    }
  }

  #convertedOf(value: string, user: Node): string {
    return this.#made(this.#converted, value, user, value, this.#asked.to);
  }

  #oldOf(value: string, user: Node): string {
    const converted = this.#converted.get(value);
    return converted === undefined ? value : this.#made(this.#castBack, value, user, converted, this.#asked.from);
  }

  /** The name in `names`, or that of a new Cast behind the value, or at the start for an input of the model. */
  #made(names: Map<string, string>, value: string, user: Node, from: string, type: Precision): string {
    let name = names.get(value);
    if (name === undefined) {
      name = this.#graph.freshName(`${value}_${type === 'float16' ? 'f16' : 'f32'}`);
      const producer = this.#graph.producerOf(from);
      if (producer !== undefined) this.#graph.insertAfter(producer, cast(from, name, type));
      else this.#graph.insertBefore(this.#graph.nodes[0] ?? user, cast(from, name, type));
      names.set(value, name);
    }
    return name;
  }
}
