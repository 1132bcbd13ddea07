/** Chunks of an answer that flow control holds back, as a row of bytes of which any number can be taken. Used by h2-stream.ts. */

export class SendQueue {
  readonly #chunks: Uint8Array[] = [];
  /** The first chunk that is not sent, and how much of it is. */
  #first = 0;
  #offset = 0;
  bytes = 0;

  add(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.bytes += chunk.length;
  }

  /** The next bytes in one piece, `most` at the most; there must be some. */
  take(most: number): Uint8Array {
    const chunk = this.#chunks[this.#first]!;
    const end = Math.min(chunk.length, this.#offset + most);
    const piece = this.#offset === 0 && end === chunk.length ? chunk : chunk.subarray(this.#offset, end);
    this.bytes -= end - this.#offset;
    this.#offset = end;
    if (end === chunk.length) this.#drop();
    return piece;
  }

  #drop(): void {
    this.#offset = 0;
    this.#first++;
    if (this.bytes > 0) return;
    this.#chunks.length = 0;
    this.#first = 0;
  }
}
