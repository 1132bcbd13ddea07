/**
 * Channels that can only go together. Each layer's output channels are slots; where values are added element by element the slots
 * become one. A slot that something needs in full is pinned, and so is all that it was joined with. Called by follow.ts. Pure.
 */
export class SlotSet {
  readonly #parents: number[] = [];
  readonly #pinned = new Set<number>();

  /** Numbers of fresh slots. */
  add(count: number): number[] {
    const first = this.#parents.length;
    for (let index = 0; index < count; index++) this.#parents.push(first + index);
    return this.#parents.slice(first);
  }

  get size(): number {
    return this.#parents.length;
  }

  /** The slot that stands for all that this one was joined with. */
  find(slot: number): number {
    let root = slot;
    while (this.#parents[root] !== root) root = this.#parents[root]!;
    for (let at = slot; at !== root; ) {
      const next = this.#parents[at]!;
      this.#parents[at] = root;
      at = next;
    }
    return root;
  }

  join(a: number, b: number): void {
    const [left, right] = [this.find(a), this.find(b)];
    if (left === right) return;
    this.#parents[right] = left;
    if (this.#pinned.has(right)) this.#pinned.add(left);
  }

  pin(slots: Iterable<number>): void {
    for (const slot of slots) this.#pinned.add(this.find(slot));
  }

  isPinned(slot: number): boolean {
    return this.#pinned.has(this.find(slot));
  }
}
