/** The open streams of a connection, and which numbers are still to come, closed, or to be ignored. Used by connection.ts. */
import type { H2Stream } from './h2-stream.ts';

/** Streams we reset: what the client had sent before it knew is no mistake of its. */
const maxReset = 10_000;

export class StreamTable {
  readonly #open = new Map<number, H2Stream>();
  readonly #reset = new Set<number>();
  /** The highest number seen. */
  #lastId = 0;
  /** Streams above it are not served: the client was told in GOAWAY. */
  #servedId = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#open.size;
  }

  get lastId(): number {
    return this.#lastId;
  }

  get isClosing(): boolean {
    return this.#servedId !== Number.POSITIVE_INFINITY;
  }

  get(id: number): H2Stream | undefined {
    return this.#open.get(id);
  }

  values(): IterableIterator<H2Stream> {
    return this.#open.values();
  }

  /** Never opened: by clients only odd numbers are, in ascending order. */
  isIdle(id: number): boolean {
    return id > this.#lastId || id % 2 === 0;
  }

  /** Whatever comes for it is read over. */
  isIgnored(id: number): boolean {
    return id > this.#servedId || this.#reset.has(id);
  }

  /** The client has opened it, served or not. */
  see(id: number): void {
    this.#lastId = id;
  }

  add(stream: H2Stream): void {
    this.#open.set(stream.id, stream);
  }

  delete(stream: H2Stream): boolean {
    return this.#open.get(stream.id) === stream && this.#open.delete(stream.id);
  }

  ignore(id: number): void {
    if (this.#reset.size >= maxReset) this.#reset.delete(this.#reset.values().next().value!);
    this.#reset.add(id);
  }

  /** Streams opened from now on are ignored. */
  close(): void {
    this.#servedId = this.#lastId;
  }

  /** All open ones, which then are no more. */
  takeAll(): readonly H2Stream[] {
    const all = [...this.#open.values()];
    this.#open.clear();
    return all;
  }
}
