/**
 * Batch buffers that come back from the engine, to be filled again. A fresh 600 KB array costs more in page faults than
 * in copying, so the buffer of the last batch is the cheapest one for the next. One pool per model; holds a few per size.
 */
import { allocate, type Datatype, elementBytes, type TensorData, viewBytes } from '../tensor.ts';

/** Smaller arrays live on V8's heap and are cheaper to make than to keep. */
const minPooledBytes = 4096;

export class BufferPool {
  readonly #free: ArrayBuffer[] = [];
  readonly #maxBuffers: number;

  constructor(maxBuffers: number) {
    this.#maxBuffers = maxBuffers;
  }

  /** An array of exactly `count` elements, with whatever a former batch left in it. */
  take(datatype: Datatype, count: number): TensorData {
    const sizeBytes = count * elementBytes[datatype];
    if (datatype === 'string' || sizeBytes < minPooledBytes) return allocate(datatype, count);
    const index = this.#free.findIndex(
      (buffer) => buffer.byteLength >= sizeBytes && buffer.byteLength <= 2 * sizeBytes,
    );
    if (index < 0) return allocate(datatype, count);
    const buffer = this.#free[index]!;
    this.#free.splice(index, 1);
    return viewBytes(datatype, buffer, 0, sizeBytes);
  }

  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength < minPooledBytes) return;
    if (this.#free.length >= this.#maxBuffers) this.#free.shift();
    this.#free.push(buffer);
  }
}
