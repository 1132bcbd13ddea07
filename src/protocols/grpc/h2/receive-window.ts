/** What a client may still send, of one stream or of the connection: credit is given back in large portions. */

export class ReceiveWindow {
  readonly #bytes: number;
  /** Received since it was last announced, and how much of that was taken in. */
  #received = 0;
  #consumed = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** False when the client sends more than it may. */
  receive(bytes: number): boolean {
    this.#received += bytes;
    return this.#received <= this.#bytes;
  }

  /** Returns what to announce now; mostly 0. */
  consume(bytes: number): number {
    this.#consumed += bytes;
    const consumed = this.#consumed;
    if (consumed * 2 < this.#bytes) return 0;
    this.#received -= consumed;
    this.#consumed = 0;
    return consumed;
  }
}
