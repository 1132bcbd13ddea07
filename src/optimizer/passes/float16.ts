/**
 * FP16: the whole graph computes in float16, but for operators that cannot. Halves the file; faster where the hardware computes
 * in float16 (GPUs), not on x64 processors, where float16-weights.ts gives the same file size with float32 answers. Callers keep
 * sending and getting float32 unless they say otherwise. Bodies of If, Loop and Scan stay float32.
 */
import type { Node as NodeLiteral } from '../../onnx-file/model.ts';
import { int, makeNode, makeTensor, makeValueInfo, tensor } from '../../onnx-file/model.ts';
import { dataTypes } from '../../onnx-file/schema.ts';
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';
import type { LayerChange, Pass, PassReport } from '../pass.ts';
import { findFloatValues } from './half/float-values.ts';
import { HalfConstants, toHalves } from './half/half-constants.ts';
import { isSingleInput, singleOperators } from './half/single-operators.ts';
import { layerChange, layerName } from './linear/find-layers.ts';

export interface Float16Settings {
  /** Inputs and outputs of the model stay float32. @default true */
  readonly keepIoTypes?: boolean;
  /** Further operators that stay float32. */
  readonly blockOps?: readonly string[] | undefined;
  /** Names of nodes, as reports give them, that stay float32. */
  readonly exclude?: readonly string[] | undefined;
}

export const float16: Pass<Float16Settings> = async (graph, settings, { runner, signal, onProgress }) => {
  const { keepIoTypes = true, blockOps, exclude } = settings;
  const title = `FP16${keepIoTypes ? '' : ' with float16 inputs and outputs'}`;
  graph.fixConstants();
  const floats = await findFloatValues(graph, runner);
  signal?.throwIfAborted();
  const reasonOf = (node: Node): string | undefined => {
    if (exclude?.includes(layerName(node))) return 'excluded by the settings';
    if (node.bodies.uses.size > 0 || node.bodies.makes.size > 0) return 'its bodies stay float32';
    if (node.domain !== '') return `float16 is not known of operators of ${node.domain}`;
    return singleOperators.has(node.opType) || blockOps?.includes(node.opType) ? 'stays float32' : undefined;
  };
  const touches = (node: Node): boolean => touchesFloats(graph, node, floats);
  const nodes = graph.nodes.filter((node) => node.opType !== 'Constant' && touches(node));
  if (nodes.length === 0) return nothingToDo(graph, title);
  const half = nodes.filter((node) => reasonOf(node) === undefined);
  const converter = new Converter(graph, floats, new Set(half), keepIoTypes);
  converter.convert();
  onProgress(1, 'whole graph');
  return {
    title,
    changed: half.map((node) => layerChange(node, 'computes in float16')),
    skipped: nodes.flatMap((node): LayerChange[] => {
      const reason = reasonOf(node);
      return reason === undefined ? [] : [layerChange(node, reason)];
    }),
    notes: converter.constants.notes(),
  };
};

function touchesFloats(graph: Graph, node: Node, floats: ReadonlySet<string>): boolean {
  if (node.outputs.some((output) => floats.has(output))) return true;
  return node.inputs.some((input) => floats.has(input) || graph.constantOf(input)?.datatype === 'float32');
}

function nothingToDo(graph: Graph, title: string): PassReport {
  const isHalf = graph.initializers.some(({ datatype }) => datatype === 'float16');
  const note = isHalf ? 'The model is float16 already.' : 'The model has no float32 values.';
  return { title, changed: [], skipped: [], notes: [note] };
}

/** Without a name: those of nodes must be unique too, and the value's own is often its maker's. */
const cast = (from: string, to: string, type: 'float32' | 'float16'): NodeLiteral =>
  makeNode('Cast', [from], [to], { to: int(dataTypes[type]) }, { name: '' });

class Converter {
  readonly constants: HalfConstants;
  readonly #graph: Graph;
  readonly #floats: ReadonlySet<string>;
  readonly #half: ReadonlySet<Node>;
  readonly #keepIoTypes: boolean;
  readonly #opset: number;
  /** Values that half nodes make, by the name they had, with the name under which they are float16. */
  readonly #halves = new Map<string, string>();
  /** The same values as float32, where somebody needs them. */
  readonly #singles = new Map<string, string>();

  constructor(graph: Graph, floats: ReadonlySet<string>, half: ReadonlySet<Node>, keepIoTypes: boolean) {
    this.#graph = graph;
    this.#floats = floats;
    this.#half = half;
    this.#keepIoTypes = keepIoTypes;
    this.#opset = graph.head.opset() ?? 0;
    this.constants = new HalfConstants(graph);
  }

  convert(): void {
    const nodes = this.#graph.nodes;
    if (!this.#keepIoTypes) this.#convertInputs();
    for (const node of this.#half) {
      this.#convertAttributes(node);
      for (const [index, output] of node.outputs.entries()) {
        if (this.#floats.has(output)) this.#convertOutput(node, index, output);
      }
    }
    for (const node of nodes) this.#connect(node);
    this.#graph.dropValueInfos();
    this.#graph.removeUnused();
  }

  #convertInputs(): void {
    for (const { name, type } of this.#graph.inputs) {
      if (!this.#floats.has(name) || this.#isUsedInBody(name)) continue;
      this.#graph.setGraphInput(makeValueInfo(name, 'float16', type.dims ?? []));
      this.#halves.set(name, name);
    }
  }

  #isUsedInBody(value: string): boolean {
    return this.#graph.consumersOf(value).some(({ index }) => index < 0);
  }

  /** The output is float16 now; names that others rely on being float32 are given to a Cast. */
  #convertOutput(node: Node, index: number, output: string): void {
    const isOutput = this.#graph.isGraphOutput(output);
    if ((isOutput && this.#keepIoTypes) || this.#isUsedInBody(output)) {
      const inner = this.#graph.splitOutput(node, index);
      this.#graph.insertAfter(node, cast(inner, output, 'float32'));
      this.#halves.set(output, inner);
      this.#singles.set(output, output);
      return;
    }
    this.#halves.set(output, output);
    if (!isOutput) return;
    const entry = this.#graph.outputs.find(({ name }) => name === output)!;
    this.#graph.setGraphOutput(makeValueInfo(output, 'float16', entry.type.dims ?? []));
  }

  #convertAttributes(node: Node): void {
    if (node.opType === 'Cast' && this.#floats.has(node.outputs[0]!)) {
      node.setAttribute('to', int(dataTypes.float16));
    } else if (node.opType === 'ConstantOfShape') {
      const value = node.tensor('value');
      if (value !== undefined && value.datatype !== 'float32') return;
      const halves = toHalves(value?.floats() ?? Float32Array.of(0), this.constants.counts);
      node.setAttribute('value', tensor(makeTensor('', 'float16', [1], halves)));
    }
  }

  /** Gives the node each of its float inputs in the type it takes. */
  #connect(node: Node): void {
    for (const [index, input] of node.inputs.entries()) {
      if (input === '') continue;
      const wantsHalf = this.#half.has(node) && !isSingleInput(node, index, this.#opset);
      const constant = this.#graph.constantOf(input);
      if (constant !== undefined) {
        if (wantsHalf && constant.datatype === 'float32') {
          this.#graph.replaceInput(node, index, this.constants.nameOf(input, constant));
        }
      } else if (this.#floats.has(input)) {
        this.#graph.replaceInput(node, index, wantsHalf ? this.#halfOf(input, node) : this.#singleOf(input, node));
      }
    }
  }

  #halfOf(value: string, user: Node): string {
    return this.#made(this.#halves, value, user, value, 'float16');
  }

  #singleOf(value: string, user: Node): string {
    const half = this.#halves.get(value);
    return half === undefined ? value : this.#made(this.#singles, value, user, half, 'float32');
  }

  /** The name in `names`, or that of a new Cast behind the value, or at the start for an input of the model. */
  #made(names: Map<string, string>, value: string, user: Node, from: string, type: 'float32' | 'float16'): string {
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
