/** A binary min-heap. Used by the work queue and the fake clock; knows nothing of what it orders. */
export class Heap<T> {
  readonly items: T[] = [];
  readonly #goesBefore: (a: T, b: T) => boolean;

  constructor(goesBefore: (a: T, b: T) => boolean) {
    this.#goesBefore = goesBefore;
  }

  get top(): T | undefined {
    return this.items[0];
  }

  push(item: T): void {
    const { items } = this;
    let index = items.push(item) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#goesBefore(items[parent]!, item)) break;
      items[index] = items[parent]!;
      index = parent;
    }
    items[index] = item;
  }

  /** Removes the top; the heap must not be empty. */
  pop(): void {
    const { items } = this;
    const last = items.pop()!;
    if (items.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#goesBefore(items[child + 1]!, items[child]!)) child++;
      if (this.#goesBefore(last, items[child]!)) break;
      items[index] = items[child]!;
      index = child;
    }
    items[index] = last;
  }
}
