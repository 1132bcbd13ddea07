/**
 * Who makes and who uses each value, kept right while nodes come and go. Called by graph.ts only; it never sees edits that go
 * around the graph.
 */
import type { Node } from './node.ts';

export class ValueIndex {
  readonly #producers = new Map<string, Node>();
  readonly #users = new Map<string, Set<Node>>();

  producerOf(value: string): Node | undefined {
    return this.#producers.get(value);
  }

  /** Nodes that take the value, themselves or in their bodies. */
  usersOf(value: string): Iterable<Node> {
    return this.#users.get(value) ?? [];
  }

  hasUsers(value: string): boolean {
    return this.#users.has(value);
  }

  /** Whether any node makes, takes or has inside a value of this name. */
  knows(value: string): boolean {
    return this.#producers.has(value) || this.#users.has(value);
  }

  add(node: Node): void {
    for (const output of node.outputs)
      if (output !== '' && !this.#producers.has(output)) this.#producers.set(output, node);
    for (const value of valuesTaken(node)) {
      const users = this.#users.get(value);
      if (users === undefined) this.#users.set(value, new Set([node]));
      else users.add(node);
    }
  }

  delete(node: Node): void {
    for (const output of node.outputs) if (this.#producers.get(output) === node) this.#producers.delete(output);
    for (const value of valuesTaken(node)) {
      const users = this.#users.get(value);
      users?.delete(node);
      if (users?.size === 0) this.#users.delete(value);
    }
  }
}

function* valuesTaken(node: Node): Iterable<string> {
  for (const input of node.inputs) if (input !== '') yield input;
  yield* node.bodies.uses;
}
