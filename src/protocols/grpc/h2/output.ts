/**
 * What a connection has to send, until it is flushed: small things are written into one buffer, large ones stand between its parts
 * by reference. Flushed once per socket read or turn, so that many answers leave in one write.
 */
import type { Socket } from 'node:net';

/** Beyond this, answers wait in their streams until the client has taken something. */
const congestedBytes = 256 * 1024;
const floodedBytes = 1024 * 1024;
const bufferBytes = 64 * 1024;
/** Chunks up to this are copied. */
const copiedBytes = 4096;

/** Buffers that the kernel has taken all of, for whichever connection writes next. */
const spare: Buffer[] = [];
const maxSpare = 8;

export class Output {
  readonly #socket: Socket;
  #buffer: Buffer | undefined;
  /** Of the buffer: before `#start` it is part of `#chunks` or gone. */
  #start = 0;
  #end = 0;
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  get isCongested(): boolean {
    return this.#bytes + this.#socket.writableLength > congestedBytes;
  }

  /** The client takes nothing and goes on asking. */
  get isFlooded(): boolean {
    return this.#socket.writableLength > floodedBytes;
  }

  /** The buffer, with room for so many bytes (at most 64 KiB) at `take(bytes)`. */
  room(bytes: number): Buffer {
    let buffer = this.#buffer;
    if (this.#bytes === 0 && this.#socket.writableLength === 0) this.#rewind();
    if (buffer === undefined || this.#end + bytes > buffer.length) {
      this.#cut();
      buffer = spare.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
      this.#buffer = buffer;
      this.#rewind();
    }
    return buffer;
  }

  /** Claims the bytes that `room` was asked for; returns where they begin. */
  take(bytes: number): number {
    const at = this.#end;
    this.#end += bytes;
    this.#bytes += bytes;
    return at;
  }

  add(chunk: Uint8Array): void {
    const { length } = chunk;
    if (length <= copiedBytes) {
      const buffer = this.room(length);
      buffer.set(chunk, this.take(length));
      return;
    }
    this.#cut();
    this.#chunks.push(chunk);
    this.#bytes += length;
  }

  flush(): void {
    if (this.#bytes === 0) return;
    this.#bytes = 0;
    const socket = this.#socket;
    const buffer = this.#buffer;
    if (this.#chunks.length === 0) {
      socket.write(buffer!.subarray(this.#start, this.#end));
      this.#start = this.#end;
    } else {
      this.#cut();
      socket.cork();
      for (const chunk of this.#chunks) socket.write(chunk);
      socket.uncork();
      this.#chunks = [];
    }
    // Otherwise the socket still reads from it, and it is written on behind that.
    if (buffer === undefined || socket.writableLength > 0) return;
    this.#buffer = undefined;
    if (spare.length < maxSpare) spare.push(buffer);
  }

  #rewind(): void {
    this.#start = 0;
    this.#end = 0;
  }

  /** What was written since the last cut becomes a chunk of its own. */
  #cut(): void {
    if (this.#buffer === undefined || this.#end === this.#start) return;
    this.#chunks.push(this.#buffer.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }
}
