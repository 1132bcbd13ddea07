/** A client that sends any bytes and keeps the frames it gets, for tests of what no real client does. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { frame } from '../frames.ts';
import { encodeFields } from '../hpack-encoder.ts';
import { flag, frameType, preface } from '../protocol.ts';

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export const emptySettings = frame(frameType.settings, 0, 0, Buffer.alloc(0));

export function requestBlock(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  const usual = { ':method': 'POST', ':scheme': 'http', ':path': path, 'content-type': 'application/grpc' };
  return encodeFields({ ...usual, ...more });
}

/** HEADERS that open a stream; with `flag.endStream` the request is complete. */
export function request(streamId: number, path: string, flags: number = flag.endStream): Buffer {
  return frame(frameType.headers, flags | flag.endHeaders, streamId, requestBlock(path));
}

export function data(streamId: number, payload: Uint8Array, flags = 0): Buffer {
  return frame(frameType.data, flags, streamId, payload);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function settings(...entries: readonly (readonly [number, number])[]): Buffer {
  const payload = entries.map(([id, value]) => Buffer.concat([Buffer.of(id >>> 8, id), uint32(value)]));
  return frame(frameType.settings, 0, 0, Buffer.concat(payload));
}

export class RawClient implements Disposable {
  readonly frames: RawFrame[] = [];
  readonly closed: Promise<void>;
  readonly socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #waiting: (() => void) | undefined;
  #isClosed = false;

  /** Connects and sends the preface and `first`. */
  constructor(port: number, first: Buffer = emptySettings, begin: Buffer = preface) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.#isClosed = true;
        this.#waiting?.();
        resolve();
      });
    });
    this.socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.socket.write(Buffer.concat([begin, first]));
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The first frame that fits and was not taken before; fails when the connection closes without it. */
  async next(type: number, streamId?: number): Promise<RawFrame> {
    for (;;) {
      const index = this.frames.findIndex(
        (frame) => frame.type === type && (streamId === undefined || frame.streamId === streamId),
      );
      if (index >= 0) return this.frames.splice(index, 1)[0]!;
      if (this.#isClosed) assert.fail(`closed without a frame of type ${type}: ${JSON.stringify(this.frames)}`);
      await this.#arrival();
    }
  }

  /** The code of the GOAWAY that ends the connection. */
  async goawayCode(): Promise<number> {
    const { payload } = await this.next(frameType.goaway);
    await this.closed;
    return payload.readUInt32BE(4);
  }

  async resetCode(streamId: number): Promise<number> {
    return (await this.next(frameType.rstStream, streamId)).payload.readUInt32BE();
  }

  /** A round trip: everything sent before is dealt with. */
  async ping(): Promise<void> {
    this.send(frame(frameType.ping, 0, 0, Buffer.from('raw test')));
    await this.next(frameType.ping);
  }

  /** The body of an answer, read to its end. */
  async body(streamId: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const index = this.frames.findIndex((frame) => frame.streamId === streamId);
      if (index < 0) {
        if (this.#isClosed) assert.fail('closed without an answer');
        await this.#arrival();
        continue;
      }
      const [{ type, flags, payload }] = this.frames.splice(index, 1) as [RawFrame];
      if (type === frameType.rstStream) assert.fail(`reset with ${payload.readUInt32BE()}`);
      if (type === frameType.data) parts.push(payload);
      if (flags & flag.endStream) return Buffer.concat(parts);
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 9) {
      const end = 9 + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) break;
      const [type, flags] = [this.#bytes[3]!, this.#bytes[4]!];
      this.frames.push({ type, flags, streamId: this.#bytes.readUInt32BE(5), payload: this.#bytes.subarray(9, end) });
      this.#bytes = this.#bytes.subarray(end);
    }
    this.#waiting?.();
  }
}
