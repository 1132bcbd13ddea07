/** The best of many values with a bounded heap: n log k instead of a sort, which would take 300 ms for a million values. */

export type Values = ArrayLike<number> | ArrayLike<bigint>;

/**
 * Indices of the `count` highest of `values[start]` to `values[end - 1]`, counted from `start`, best first. Equal values by
 * index; NaN comes last.
 */
export function topIndices(values: Values, start: number, end: number, count: number): number[] {
  const before = (a: number, b: number): boolean => isBefore(values[start + a]!, values[start + b]!, a, b);
  const size = Math.min(count, end - start);
  // The worst of the best so far is at the root.
  const heap: number[] = [];
  for (let index = 0; index < end - start; index++) {
    if (heap.length < size) {
      heap.push(index);
      siftUp(heap, before);
    } else if (size > 0 && before(index, heap[0]!)) {
      heap[0] = index;
      siftDown(heap, before);
    }
  }
  return heap.sort((a, b) => (before(a, b) ? -1 : 1));
}

function isBefore(a: number | bigint, b: number | bigint, indexOfA: number, indexOfB: number): boolean {
  if (Number.isNaN(a)) return Number.isNaN(b) && indexOfA < indexOfB;
  if (Number.isNaN(b)) return true;
  return a > b || (a === b && indexOfA < indexOfB);
}

function siftUp(heap: number[], before: (a: number, b: number) => boolean): void {
  let at = heap.length - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(heap[parent]!, heap[at]!)) return;
    swap(heap, at, parent);
    at = parent;
  }
}

function siftDown(heap: number[], before: (a: number, b: number) => boolean): void {
  let at = 0;
  for (;;) {
    let worst = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < heap.length && before(heap[worst]!, heap[child]!)) worst = child;
    }
    if (worst === at) return;
    swap(heap, at, worst);
    at = worst;
  }
}

function swap(heap: number[], a: number, b: number): void {
  const kept = heap[a]!;
  heap[a] = heap[b]!;
  heap[b] = kept;
}
