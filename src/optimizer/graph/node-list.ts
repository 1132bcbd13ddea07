/** Nodes in the order in which they run: a linked list, so that inserting into a graph of 100,000 nodes stays cheap. Called by graph.ts. */
import type { Node } from './node.ts';
import { describeNode } from './node.ts';

interface Link {
  previous: Node | undefined;
  next: Node | undefined;
}

export class NodeList {
  readonly #links = new Map<Node, Link>();
  #first: Node | undefined;
  #last: Node | undefined;
  #snapshot: readonly Node[] | undefined;

  /** @throws Error for a node that is not in the list */
  require(node: Node): void {
    this.#linkOf(node);
  }

  get size(): number {
    return this.#links.size;
  }

  /** The nodes as they are now; later edits make a new array. */
  toArray(): readonly Node[] {
    if (this.#snapshot === undefined) {
      const nodes: Node[] = [];
      for (let node = this.#first; node !== undefined; node = this.#links.get(node)!.next) nodes.push(node);
      this.#snapshot = nodes;
    }
    return this.#snapshot;
  }

  append(node: Node): void {
    this.insertAfter(this.#last, node);
  }

  /** `place` undefined: at the front. */
  insertAfter(place: Node | undefined, node: Node): void {
    const next = place === undefined ? this.#first : this.#linkOf(place).next;
    this.#links.set(node, { previous: place, next });
    if (place === undefined) this.#first = node;
    else this.#linkOf(place).next = node;
    if (next === undefined) this.#last = node;
    else this.#links.get(next)!.previous = node;
    this.#snapshot = undefined;
  }

  insertBefore(place: Node, node: Node): void {
    this.insertAfter(this.#linkOf(place).previous, node);
  }

  delete(node: Node): void {
    const { previous, next } = this.#linkOf(node);
    if (previous === undefined) this.#first = next;
    else this.#links.get(previous)!.next = next;
    if (next === undefined) this.#last = previous;
    else this.#links.get(next)!.previous = previous;
    this.#links.delete(node);
    this.#snapshot = undefined;
  }

  /** Puts the same nodes into another order. */
  reorder(nodes: readonly Node[]): void {
    for (const node of nodes) {
      this.delete(node);
      this.append(node);
    }
  }

  /** A pass that mixes up a graph and its copy must hear of it, not damage both. */
  #linkOf(node: Node): Link {
    const link = this.#links.get(node);
    if (link === undefined)
      throw new Error(`The graph does not have ${describeNode(node)}: it was removed, or is of a copy.`);
    return link;
  }
}
