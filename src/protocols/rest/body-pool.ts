/**
 * Buffers of large raw bodies, used again for the next body of the same length. A fresh 600 KB buffer per request costs its
 * page faults, and as external memory drives V8 into frequent full collections. One pool per server; used by the exchange.
 */

/** Smaller bodies arrive in one chunk and are used as they are. */
const minPooledBytes = 128 * 1024;
const maxHeldBytes = 32 * 1024 * 1024;

export class BodyPool {
  readonly #free: Buffer[] = [];
  #heldBytes = 0;

  /** A buffer of exactly this length, with whatever a former body left in it: every byte must be written. */
  take(length: number): Buffer {
    const index = this.#free.findLastIndex((buffer) => buffer.length === length);
    if (index < 0) return Buffer.allocUnsafeSlow(length);
    this.#heldBytes -= length;
    return this.#free.splice(index, 1)[0]!;
  }

  /** Only for a body whose request is settled: its rows were copied into batches, and nobody reads it any more. */
  give(buffer: Buffer): void {
    const { length } = buffer;
    if (length < minPooledBytes || length !== buffer.buffer.byteLength || this.#heldBytes + length > maxHeldBytes)
      return;
    this.#heldBytes += length;
    this.#free.push(buffer);
  }
}
