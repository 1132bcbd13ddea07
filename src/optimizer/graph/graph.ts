/**
 * An ONNX model as a graph that passes read and change. What nobody touched is written back byte for byte. Load with load.ts,
 * write with save.ts; passes only get the Graph. It checks each edit for names made twice; dangling values and cycles are
 * found by `check()`, which every save calls. Bodies of If, Loop and Scan are never changed, except by `rename`.
 *
 * To run a graph use `openGraph` (open-graph.ts), for shapes of all values `inferShapes`, for values inside `fetchValues`
 * (infer-shapes.ts). Call `graph.fixConstants()` first where old models list their weights as inputs, and
 * `graph.sortTopologically()` where the order of nodes matters.
 *
 * One example per kind of edit:
 *
 *     const conv = graph.nodes.find((node) => node.opType === 'Conv')!;      // a snapshot: edit while iterating
 *     const [pads, group] = [conv.ints('pads', [0, 0, 0, 0]), conv.int('group', 1)];
 *     const weight = graph.constantOf(conv.inputs[1]!);                      // initializer or Constant node, else undefined
 *     const values = graph.floats(weight!.name);                             // Float32Array of any storage; may be a view: read only
 *     if (graph.consumersOf(weight!.name).length > 1) return;                // tied weight
 *
 *     // A new constant, under a name that is free.
 *     const scale = graph.addInitializer(makeTensor(graph.freshName('scale'), 'float32', [1], Float32Array.of(0.1)));
 *     // Replace a constant under its name; `{ name, datatype, dims, read }` is made only when the model is written.
 *     graph.setInitializer(makeTensor(weight!.name, 'int8', weight!.dims, quantized));
 *     // Put nodes before one, and let it take their result.
 *     const q = graph.freshName(`${conv.inputs[0]}_q`);
 *     graph.insertBefore(conv, makeNode('QuantizeLinear', [conv.inputs[0]!, scale.name, zero.name], [q]));
 *     graph.replaceInput(conv, 0, q);
 *     // Put a node behind another, for all that took its result (nodes, bodies, the graph's output): it makes the old name.
 *     const [old] = conv.outputs;
 *     const inner = graph.splitOutput(conv, 0);                              // conv now makes `inner`
 *     graph.insertAfter(conv, makeNode('Relu', [inner], [old!]));
 *     // Or only for nodes.
 *     graph.replaceUses(value, other, { except: [q] });
 *     // One node by several, which make the same outputs.
 *     graph.replaceNode(gemm, [makeNode('MatMul', [x, w], [t]), makeNode('Add', [t, b], gemm.outputs)]);
 *     // Away with a node: its users take its first input instead.
 *     graph.bypass(identity);
 *     conv.setAttribute('group', int(2));
 *     graph.head.setOpset('com.microsoft', 1);
 *     graph.removeUnused();                                                  // what no output needs any more
 */
import { invalidInput } from '../../core/errors.ts';
import { concatBytes } from '../../onnx-file/fields.ts';
import type { Node as NodeLiteral } from '../../onnx-file/model.ts';
import type { Constant } from './constant.ts';
import { findProblems, topologicalOrder } from './graph-check.ts';
import type { Chunk, ConstantWriter } from './graph-document.ts';
import { putTogether } from './graph-document.ts';
import { GraphValues, nameTaken } from './graph-values.ts';
import type { Node } from './node.ts';
import { describeNode, newNode } from './node.ts';
import type { ValueEntry } from './value-entry.ts';

export class Graph extends GraphValues {
  insertBefore(place: Node, literal: NodeLiteral): Node {
    return this.#insert(literal, (node) => this.nodeList.insertBefore(place, node));
  }

  insertAfter(place: Node, literal: NodeLiteral): Node {
    return this.#insert(literal, (node) => this.nodeList.insertAfter(place, node));
  }

  append(literal: NodeLiteral): Node {
    return this.#insert(literal, (node) => this.nodeList.append(node));
  }

  /** @throws INVALID_INPUT when something still uses what the node makes */
  remove(node: Node): void {
    const used = node.outputs.find((output) => this.values.hasUsers(output) || this.isGraphOutput(output));
    if (used !== undefined) throw invalidInput(used, `Cannot remove ${describeNode(node)}: "${used}" is still used.`);
    this.#detach(node);
  }

  /** Puts nodes in the place of one. They must make what others still take from it, under the same names. */
  replaceNode(node: Node, literals: readonly NodeLiteral[]): Node[] {
    const made = new Set(literals.flatMap(({ outputs }) => outputs));
    const missing = node.outputs.find(
      (output) => !made.has(output) && (this.values.hasUsers(output) || this.isGraphOutput(output)),
    );
    if (missing !== undefined) throw invalidInput(missing, `Nothing would make "${missing}" of ${describeNode(node)}.`);
    this.nodeList.require(node);
    this.values.delete(node);
    const added = literals.map((literal) => this.#insert(literal, (fresh) => this.nodeList.insertBefore(node, fresh)));
    this.nodeList.delete(node);
    return added;
  }

  /**
   * Removes a node whose first output can be had from its first input (Identity, Dropout, a Relu that is not needed).
   * @returns false, and nothing is changed, where both ends are fixed: a graph input that would have to be the graph's output
   */
  bypass(node: Node): boolean {
    const [from = ''] = node.inputs;
    const [to = '', ...others] = node.outputs;
    if (others.some((output) => this.values.hasUsers(output) || this.isGraphOutput(output))) return false;
    const isOutput = this.isGraphOutput(to);
    const inBody = this.consumersOf(to).some(({ index }) => index < 0);
    if ((isOutput || inBody) && (this.producerOf(from) === undefined || this.isGraphOutput(from))) return false;
    this.values.delete(node);
    this.nodeList.delete(node);
    if (isOutput || inBody) this.rename(from, to);
    else this.replaceUses(to, from);
    this.valueInfoMap.delete(isOutput || inBody ? from : to);
    return true;
  }

  /** Gives one input of a node another value; '' leaves an optional one out. `index` may be past the end. */
  replaceInput(node: Node, index: number, value: string): void {
    const inputs = [...node.inputs, ...Array<string>(Math.max(0, index + 1 - node.inputs.length)).fill('')];
    inputs[index] = value;
    this.#rewire(node, inputs, node.outputs);
  }

  /** Cuts off or adds inputs. */
  setInputs(node: Node, inputs: readonly string[]): void {
    this.#rewire(node, inputs, node.outputs);
  }

  /**
   * Lets all nodes that take `from` take `to`. Bodies keep `from`, and so do the graph's outputs, which have fixed names:
   * for those use `rename`.
   */
  replaceUses(from: string, to: string, { except = [] }: { readonly except?: readonly Node[] } = {}): void {
    for (const node of [...this.values.usersOf(from)]) {
      if (except.includes(node)) continue;
      this.#rewire(
        node,
        node.inputs.map((input) => (input === from ? to : input)),
        node.outputs,
      );
    }
  }

  /**
   * Renames an output of a node to a fresh name, and leaves everybody who took it with the old one, for a new node to make.
   * @returns the fresh name
   */
  splitOutput(node: Node, index: number): string {
    const old = node.outputs[index]!;
    const inner = this.freshName(`${old}_inner`);
    this.#rewire(node, node.inputs, node.outputs.with(index, inner));
    return inner;
  }

  /**
   * Renames a value wherever it stands: in nodes, bodies, constants, types, and in the model's signature too.
   * @throws INVALID_INPUT when a node or constant makes `to` already
   */
  rename(from: string, to: string): void {
    if (this.producerOf(to) !== undefined || this.isInitializer(to) || this.isGraphInput(to)) throw nameTaken(to);
    const swap = (names: readonly string[]) => names.map((name) => (name === from ? to : name));
    const producer = this.producerOf(from);
    const nodes = new Set([...(producer === undefined ? [] : [producer]), ...this.values.usersOf(from)]);
    for (const node of nodes) {
      this.values.delete(node);
      node.rewire(swap(node.inputs), swap(node.outputs));
      if (node.bodies.uses.has(from)) node.renameInBodies(from, to);
      this.values.add(node);
    }
    const entry = (old: ValueEntry): ValueEntry => (old.name === from ? this.succeed(old, old.renamed(to)) : old);
    this.inputList = this.inputList.map(entry);
    this.outputList = this.outputList.map(entry);
    this.#renameKey(this.valueInfoMap, from, to);
    this.#renameKey(this.initializerMap, from, to);
  }

  /** Removes nodes, initializers and types that no output of the graph needs. Inputs stay. @returns how many of each */
  removeUnused(): { readonly nodes: number; readonly initializers: number } {
    const needed = neededNodes(this);
    const dead = this.nodes.filter((node) => !needed.has(node));
    for (const node of dead) this.#detach(node);
    const unused = this.initializers.filter(({ name }) => !this.values.hasUsers(name) && !this.isGraphOutput(name));
    for (const { name } of unused) {
      this.initializerMap.delete(name);
      // Old models list it as an input as well, which would then be one that callers must give.
      this.removeGraphInput(name);
    }
    for (const name of [...this.valueInfoMap.keys()]) if (!this.exists(name)) this.valueInfoMap.delete(name);
    return { nodes: dead.length, initializers: unused.length };
  }

  isTopological(): boolean {
    const { order, inCycle } = topologicalOrder(this);
    return inCycle === undefined && order.every((node, index) => node === this.nodes[index]);
  }

  /** Each node behind those it takes from; nothing moves where that is so. @throws INVALID_INPUT for a cycle */
  sortTopologically(): void {
    const { order, inCycle } = topologicalOrder(this);
    if (inCycle !== undefined) throw invalidInput('graph', `The graph has a cycle through ${describeNode(inCycle)}.`);
    if (!this.isTopological()) this.nodeList.reorder(order);
  }

  /** What is wrong, as sentences with the name of the node; empty for a sound graph. */
  problems(): string[] {
    return findProblems(this);
  }

  /** @throws INVALID_INPUT with the first problem */
  check(): this {
    const [problem] = this.problems();
    if (problem !== undefined) throw invalidInput('graph', problem);
    return this;
  }

  /** The file in pieces, without joining what is big. @param writeConstant for save.ts: where constants go instead */
  chunks(writeConstant?: ConstantWriter): Chunk[] {
    return putTogether({ ...this.document, modelFields: this.head.fields }, this.lists(), writeConstant);
  }

  /** The whole file in one array: for small models and for sessions. Constants in other files stay there. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return concatBytes(this.chunks().map((chunk) => (chunk instanceof Uint8Array ? chunk : chunk.read())));
  }

  /** An independent copy that shares the bytes of constants. */
  clone(): Graph {
    return new Graph(this);
  }

  #insert(literal: NodeLiteral, link: (node: Node) => void): Node {
    const node = newNode(literal);
    const double = node.outputs.find(
      (output) => output !== '' && (this.producerOf(output) || this.isInitializer(output)),
    );
    if (double !== undefined) throw nameTaken(double);
    link(node);
    this.values.add(node);
    return node;
  }

  #rewire(node: Node, inputs: readonly string[], outputs: readonly string[]): void {
    this.nodeList.require(node);
    this.values.delete(node);
    node.rewire(inputs, outputs);
    this.values.add(node);
  }

  /** Keeps the order of the map, which is that of the file. */
  #renameKey<T extends Constant | ValueEntry>(map: Map<string, T>, from: string, to: string): void {
    const item = map.get(from);
    if (item === undefined) return;
    const renamed = this.succeed(item, item.renamed(to) as T);
    const entries = [...map];
    map.clear();
    for (const [name, other] of entries) {
      if (name === from) map.set(to, renamed);
      else map.set(name, other);
    }
  }

  #detach(node: Node): void {
    this.nodeList.require(node);
    this.values.delete(node);
    this.nodeList.delete(node);
  }
}

function neededNodes(graph: Graph): ReadonlySet<Node> {
  const needed = new Set<Node>();
  const values = graph.outputs.map(({ name }) => name);
  while (values.length > 0) {
    const node = graph.producerOf(values.pop()!);
    if (node === undefined || needed.has(node)) continue;
    needed.add(node);
    values.push(...node.inputs, ...node.bodies.uses);
  }
  return needed;
}
