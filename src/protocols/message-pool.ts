/**
 * Memory of large messages and bodies, used again for the next one. A fresh 600 KB per request costs its page faults, and as
 * external memory drives V8 into frequent full collections. One pool per server; who reads the bytes from the socket takes, who
 * has the answer gives back.
 */

/** Smaller messages come in one or two chunks. */
const minPooledBytes = 64 * 1024;
const maxHeldBytes = 32 * 1024 * 1024;
/** Memory comes in whole pages, so that messages of nearly the same length can follow each other. */
const pageBytes = 4096;

export class MessagePool {
  readonly #free: ArrayBuffer[] = [];
  /** Taken and not yet given back. */
  readonly #lent = new WeakSet<ArrayBuffer>();
  #heldBytes = 0;

  /**
   * Exactly `length` bytes, with whatever a former message left in them: all must be written. They end on an aligned address: tensors
   * come last in a message, so that the tensor of the usual request can be used where it is.
   */
  take(length: number): Buffer {
    const size = Math.ceil(length / pageBytes) * pageBytes;
    const memory = this.#reuse(size) ?? Buffer.allocUnsafeSlow(size).buffer;
    if (length >= minPooledBytes) this.#lent.add(memory);
    return Buffer.from(memory, size - length);
  }

  /** For a message whose request is settled: its rows were copied into batches, and nobody reads it any more. */
  give(message: Buffer): void {
    const memory = message.buffer as ArrayBuffer;
    if (!this.#lent.delete(memory) || this.#heldBytes + memory.byteLength > maxHeldBytes) return;
    this.#heldBytes += memory.byteLength;
    this.#free.push(memory);
  }

  #reuse(size: number): ArrayBuffer | undefined {
    const index = this.#free.findLastIndex((memory) => memory.byteLength === size);
    if (index < 0) return undefined;
    this.#heldBytes -= size;
    return this.#free.splice(index, 1)[0];
  }
}
