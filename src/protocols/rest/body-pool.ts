/**
 * Buffers of large raw bodies, used again for the next body of the same length. A fresh 600 KB buffer per request costs its
 * page faults, and as external memory drives V8 into frequent full collections. One pool per server; used by the exchange.
 */

/** Smaller bodies arrive in one chunk and are used as they are. */
const minPooledBytes = 128 * 1024;
/** What stands before a body for the sake of alignment; more than that is another request's. */
const maxOffset = 8;
const maxHeldBytes = 32 * 1024 * 1024;

export class BodyPool {
  readonly #free: ArrayBuffer[] = [];
  #heldBytes = 0;

  /** Exactly `length` bytes, `offset` into their buffer, with whatever a former body left in them: all must be written. */
  take(length: number, offset = 0): Buffer {
    const needed = length + offset;
    const index = this.#free.findLastIndex((memory) => memory.byteLength === needed);
    if (index < 0) return Buffer.from(Buffer.allocUnsafeSlow(needed).buffer, offset);
    this.#heldBytes -= needed;
    return Buffer.from(this.#free.splice(index, 1)[0]!, offset);
  }

  /** Only for a body whose request is settled: its rows were copied into batches, and nobody reads it any more. */
  give(body: Buffer): void {
    const memory = body.buffer as ArrayBuffer;
    const size = memory.byteLength;
    const isWhole = body.byteOffset < maxOffset && body.byteOffset + body.length === size;
    if (!isWhole || body.length < minPooledBytes || this.#heldBytes + size > maxHeldBytes) return;
    this.#heldBytes += size;
    this.#free.push(memory);
  }
}
