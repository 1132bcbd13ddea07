/**
 * Joins the reads of one turn of the event loop into one command: at 64 callers 3 times the reads per second of one command each,
 * even pipelined, since the driver's price is per command. Used by cache-store.ts and features.ts.
 */
import type { Clock } from '../../ports/clock.ts';

interface Waiting<Value> {
  readonly keys: readonly string[];
  resolve(values: readonly Value[]): void;
  reject(error: unknown): void;
}

/** A command ends when it has this many keys, so that Redis can answer others between, and connections share the work. */
const enoughKeys = 128;

export class BatchedReader<Value> {
  readonly #clock: Clock;
  readonly #readMany: (keys: readonly string[]) => Promise<readonly Value[]>;
  #queue: Waiting<Value>[] = [];

  constructor(clock: Clock, readMany: (keys: readonly string[]) => Promise<readonly Value[]>) {
    this.#clock = clock;
    this.#readMany = readMany;
  }

  /** By key, in order. The keys of one call stay together. */
  read(keys: readonly string[]): Promise<readonly Value[]> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ keys, resolve, reject });
      if (this.#queue.length === 1) this.#clock.defer(this.#flush);
    });
  }

  readonly #flush = (): void => {
    const queue = this.#queue;
    this.#queue = [];
    let start = 0;
    let count = 0;
    for (let end = 0; end < queue.length; end++) {
      count += queue[end]!.keys.length;
      if (count < enoughKeys && end < queue.length - 1) continue;
      this.#send(queue.slice(start, end + 1));
      start = end + 1;
      count = 0;
    }
  };

  #send(group: readonly Waiting<Value>[]): void {
    const [first] = group;
    if (group.length === 1) return void this.#readMany(first!.keys).then(first!.resolve, first!.reject);
    this.#readMany(group.flatMap(({ keys }) => keys)).then(
      (values) => {
        let start = 0;
        for (const { keys, resolve } of group) {
          resolve(values.slice(start, start + keys.length));
          start += keys.length;
        }
      },
      (error) => {
        for (const { reject } of group) reject(error);
      },
    );
  }
}
