/**
 * The waiting room of one shape bucket: most important priority first, then earliest deadline, then arrival.
 * A binary heap with lazy removal: cancelled and expired work stays until it comes to the top. Used by guarded-pull only.
 */
import { Heap } from '../heap.ts';
import type { Priority } from '../types.ts';

/** What the scheduler knows of waiting rows. The scheduler owns `takenRows`, `sequence` and `gone`. */
export interface Work {
  readonly rows: number;
  readonly bytes: number;
  readonly priority: Priority;
  /** On the clock's scale. */
  readonly deadlineMs: number;
  readonly arrivalMs: number;
  /** Runs in a batch of its own. */
  readonly solo: boolean;
  takenRows: number;
  sequence: number;
  gone: boolean;
}

export const priorityLevels = 4;

export class WorkQueue<W extends Work> {
  readonly #heap = new Heap<W>(goesBefore);
  /** Waiting rows by priority. */
  readonly #rows = new Float64Array(priorityLevels);
  #requests = 0;
  #bytes = 0;
  #sequence = 0;

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get rows(): number {
    return this.rowsUpTo(priorityLevels - 1);
  }

  /** Rows that go before or with new work of this priority. */
  rowsUpTo(priority: number): number {
    let rows = 0;
    for (let level = 0; level <= priority; level++) rows += this.#rows[level]!;
    return rows;
  }

  push(work: W): void {
    work.sequence = this.#sequence++;
    this.#requests++;
    this.#bytes += work.bytes;
    this.#rows[work.priority]! += work.rows;
    this.#heap.push(work);
  }

  /** The most urgent work still wanted. */
  peek(): W | undefined {
    while (this.#heap.top?.gone) this.#heap.pop();
    return this.#heap.top;
  }

  /** Takes up to `limit` rows of the head; returns how many. The head leaves when its last row is taken. */
  takeFromHead(limit: number): number {
    const head = this.#heap.top!;
    const rows = Math.min(limit, head.rows - head.takenRows);
    head.takenRows += rows;
    this.#rows[head.priority]! -= rows;
    if (head.takenRows === head.rows) {
      head.gone = true;
      this.#leave(head);
      this.#heap.pop();
    }
    return rows;
  }

  /** Forgets work wherever it stands; false if it had left already. */
  remove(work: W): boolean {
    if (work.gone) return false;
    work.gone = true;
    this.#rows[work.priority]! -= work.rows - work.takenRows;
    this.#leave(work);
    return true;
  }

  /** Removes and returns all work whose deadline is before `nowMs`. */
  removeExpired(nowMs: number): W[] {
    const expired = this.#heap.items.filter((work) => !work.gone && work.deadlineMs <= nowMs);
    for (const work of expired) this.remove(work);
    return expired;
  }

  /** The earliest deadline of all waiting work, Infinity if none. */
  earliestDeadlineMs(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const work of this.#heap.items) if (!work.gone && work.deadlineMs < earliest) earliest = work.deadlineMs;
    return earliest;
  }

  #leave(work: W): void {
    this.#requests--;
    this.#bytes -= work.bytes;
  }
}

export function goesBefore(a: Work, b: Work): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  if (a.deadlineMs !== b.deadlineMs) return a.deadlineMs < b.deadlineMs;
  return a.sequence < b.sequence;
}
