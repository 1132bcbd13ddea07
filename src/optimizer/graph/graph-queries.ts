/**
 * The reading half of a graph: what is in it, who makes and takes which value, what is constant. graph.ts adds the edits; passes
 * see both as one Graph. Answers stay right through every edit.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Constant } from './constant.ts';
import type { ExternalReader } from './external-files.ts';
import { noExternalFiles } from './external-files.ts';
import type { GraphLists, ModelDocument, OnProblem } from './graph-document.ts';
import { copyDocument, takeApart } from './graph-document.ts';
import { ModelHead } from './model-head.ts';
import type { Node } from './node.ts';
import { constantOfNode } from './node-constant.ts';
import { NodeList } from './node-list.ts';
import type { ValueEntry, ValueType } from './value-entry.ts';
import { ValueIndex } from './value-index.ts';

/** `index` is the place among the node's inputs; -1: a body of the node uses the value. */
export interface Use {
  readonly node: Node;
  readonly index: number;
}

export class GraphQueries {
  /** Opsets, IR version, metadata, producer. */
  readonly head: ModelHead;
  /** Names that two initializers of the file share: a damaged model. */
  readonly initializersTwice: readonly string[];
  protected readonly document: ModelDocument;
  protected readonly nodeList = new NodeList();
  protected readonly values = new ValueIndex();
  protected readonly initializerMap: Map<string, Constant>;
  protected readonly valueInfoMap: Map<string, ValueEntry>;
  protected inputList: readonly ValueEntry[];
  protected outputList: readonly ValueEntry[];
  readonly #files: ExternalReader;
  /** Names given away, and those made in bodies, which no edit adds to. */
  readonly #taken = new Set<string>();
  /** Where to go on counting, by prefix. */
  readonly #counts = new Map<string, number>();

  /**
   * Of a file's bytes, or a copy of another graph. Use `loadModel`, `graphFromBytes` and `clone`: they also check.
   * @throws INVALID_INPUT when the bytes cannot be read as a model
   */
  constructor(source: Uint8Array | GraphQueries, files: ExternalReader = noExternalFiles, onProblem?: OnProblem) {
    if (source instanceof GraphQueries) {
      this.document = copyDocument(source.document, source.lists(), source.#files);
      this.head = new ModelHead(source.head.fields);
      this.#files = source.#files;
    } else {
      this.document = takeApart(new Uint8Array(source.buffer, source.byteOffset, source.byteLength), files, onProblem);
      this.head = new ModelHead(this.document.modelFields);
      this.#files = files;
    }
    this.initializersTwice = this.document.initializersTwice;
    this.initializerMap = byName(this.document.initializers);
    this.valueInfoMap = byName(this.document.valueInfos);
    this.inputList = this.document.inputs;
    this.outputList = this.document.outputs;
    for (const node of this.document.nodes) {
      this.nodeList.append(node);
      this.values.add(node);
      for (const name of node.bodies.makes) this.#taken.add(name);
    }
  }

  /** The file it was loaded from, which no save writes over. */
  get origin(): string | undefined {
    return this.#files.modelPath;
  }

  /** In the order of the file, which `isTopological()` tells about. A snapshot: safe to walk while editing. */
  get nodes(): readonly Node[] {
    return this.nodeList.toArray();
  }

  get initializers(): readonly Constant[] {
    return [...this.initializerMap.values()];
  }

  /** Old models list their initializers here too; `isInitializer` tells them from what callers must give. */
  get inputs(): readonly ValueEntry[] {
    return this.inputList;
  }

  get outputs(): readonly ValueEntry[] {
    return this.outputList;
  }

  get valueInfos(): readonly ValueEntry[] {
    return [...this.valueInfoMap.values()];
  }

  /** The first of that name. */
  node(name: string): Node | undefined {
    return this.nodes.find((node) => node.name === name);
  }

  initializer(name: string): Constant | undefined {
    return this.initializerMap.get(name);
  }

  isInitializer(value: string): boolean {
    return this.initializerMap.has(value);
  }

  isGraphInput(value: string): boolean {
    return this.inputList.some(({ name }) => name === value);
  }

  isGraphOutput(value: string): boolean {
    return this.outputList.some(({ name }) => name === value);
  }

  producerOf(value: string): Node | undefined {
    return this.values.producerOf(value);
  }

  /** Every use by a node, a node that takes it twice twice. The graph's own outputs are not among them. */
  consumersOf(value: string): Use[] {
    const uses: Use[] = [];
    for (const node of this.values.usersOf(value)) {
      for (const [index, input] of node.inputs.entries()) if (input === value) uses.push({ node, index });
      if (node.bodies.uses.has(value)) uses.push({ node, index: -1 });
    }
    return uses;
  }

  /** The value where it never changes: of an initializer that is no input as well, or of a Constant node. */
  constantOf(value: string): Constant | undefined {
    const initializer = this.initializerMap.get(value);
    if (initializer !== undefined)
      return this.isGraphInput(value) && this.head.irVersion >= 4 ? undefined : initializer;
    const producer = this.producerOf(value);
    return producer && constantOfNode(producer);
  }

  /** Elements of a constant as float32, whatever its type and storage. May be a view: read only. @throws INVALID_INPUT */
  floats(value: string): Float32Array {
    const constant = this.constantOf(value);
    if (constant === undefined) throw invalidInput(value, `The value "${value}" is no constant.`);
    return constant.floats();
  }

  /** What the model says of a value: of inputs, outputs, inner values and constants. */
  typeOf(value: string): ValueType | undefined {
    const isIt = (entry: ValueEntry): boolean => entry.name === value;
    const entry = this.valueInfoMap.get(value) ?? this.inputList.find(isIt) ?? this.outputList.find(isIt);
    if (entry !== undefined) return entry.type;
    const constant = this.constantOf(value);
    return constant && { kind: 'tensor', datatype: constant.datatype, dims: constant.dims };
  }

  /** A name that nothing has, in bodies neither: `prefix`, `prefix_1` .. The next call gives another one. */
  freshName(prefix: string): string {
    let name = prefix;
    let count = this.#counts.get(prefix) ?? 1;
    for (; name === '' || this.#isTaken(name); count++) name = `${prefix}_${count}`;
    this.#counts.set(prefix, count);
    this.#taken.add(name);
    return name;
  }

  /** Whether anything makes the value. */
  exists(value: string): boolean {
    return this.producerOf(value) !== undefined || this.isInitializer(value) || this.isGraphInput(value);
  }

  /** `now` stands in the file where `before` stood. */
  protected succeed<T extends Constant | ValueEntry>(before: T | undefined, now: T): T {
    if (before === undefined || before === now) return now;
    // What comes back ends the chain again.
    this.document.successors.delete(now);
    this.document.successors.set(before, now);
    return now;
  }

  protected lists(): GraphLists {
    return {
      nodes: this.nodes,
      initializers: this.initializers,
      inputs: this.inputs,
      outputs: this.outputs,
      valueInfos: this.valueInfos,
    };
  }

  #isTaken(name: string): boolean {
    if (this.#taken.has(name) || this.values.knows(name) || this.initializerMap.has(name)) return true;
    return this.valueInfoMap.has(name) || this.isGraphInput(name) || this.isGraphOutput(name);
  }
}

/** The first of each name counts. */
function byName<T extends { readonly name: string }>(items: readonly T[]): Map<string, T> {
  const map = new Map<string, T>();
  for (const item of items) if (!map.has(item.name)) map.set(item.name, item);
  return map;
}
