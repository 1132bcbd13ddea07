/**
 * Cuts what the socket delivers into frames. DATA is passed on piece by piece as it arrives, every other frame as a whole. Used by
 * connection.ts, one per connection. Knows sizes, padding and that frames of unknown types are skipped; not what frames do.
 */
import { ConnectionError, errorCode, flag, frameHeaderBytes, frameType, preface, protocolError } from './protocol.ts';

export interface FrameSink {
  /** Before its first piece. `length` is what counts for flow control: the padding included. */
  onDataBegin(streamId: number, length: number): void;
  /** Bytes of the frame just begun; they may be kept. */
  onDataPiece(piece: Buffer): void;
  onDataEnd(isLast: boolean): void;
  /** The payload is bytes `start` to `end`; they may not be kept. */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
  /** Header of a frame of an unknown type, which is skipped. */
  onUnknown(): void;
}

/** DATA may be larger than the default: a large tensor then has a handful of headers instead of dozens. */
export const maxDataBytes = 256 * 1024;

/** Other frames are kept until they are complete. Enough for any headers that will be read. */
export const maxWholeBytes = 64 * 1024;

/** What the next byte belongs to. */
const reading = { preface: 0, header: 1, data: 2, padLength: 3, padding: 4, whole: 5, skipped: 6 } as const;

export class FrameParser {
  readonly #sink: FrameSink;
  #state: number = reading.preface;
  /** Bytes of the part under way that are still missing. */
  #left = preface.length;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  #padding = 0;
  /** A header or payload that came in pieces. */
  readonly #header = Buffer.allocUnsafe(frameHeaderBytes);
  #payload: Buffer | undefined;
  #isFirst = true;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** @throws ConnectionError, from here and from the sink; nothing may be pushed after that. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at = this.#step(chunk, at);
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case reading.header:
        return this.#readHeader(chunk, at);
      case reading.data:
        return this.#readData(chunk, at);
      case reading.whole:
        return this.#readWhole(chunk, at);
      case reading.padLength:
        return this.#readPadLength(chunk, at);
      case reading.preface:
        return this.#readPreface(chunk, at);
      default:
        return this.#skip(chunk, at);
    }
  }

  #readPreface(chunk: Buffer, at: number): number {
    const done = preface.length - this.#left;
    const end = Math.min(chunk.length, at + this.#left);
    if (chunk.compare(preface, done, done + end - at, at, end) !== 0) throw protocolError('The preface is wrong.');
    this.#left -= end - at;
    if (this.#left === 0) this.#awaitHeader();
    return end;
  }

  #awaitHeader(): void {
    this.#state = reading.header;
    this.#left = frameHeaderBytes;
  }

  #readHeader(chunk: Buffer, at: number): number {
    const done = frameHeaderBytes - this.#left;
    const count = Math.min(this.#left, chunk.length - at);
    if (count === frameHeaderBytes) return this.#begin(chunk, at, chunk, at + count);
    chunk.copy(this.#header, done, at, at + count);
    this.#left -= count;
    return this.#left === 0 ? this.#begin(this.#header, 0, chunk, at + count) : at + count;
  }

  /** With a frame's header read from `from`; its payload begins at `at` in the chunk. */
  #begin(header: Buffer, from: number, chunk: Buffer, at: number): number {
    const length = (header[from]! << 16) | (header[from + 1]! << 8) | header[from + 2]!;
    const type = header[from + 3]!;
    const flags = header[from + 4]!;
    const streamId =
      ((header[from + 5]! & 0x7f) << 24) | (header[from + 6]! << 16) | (header[from + 7]! << 8) | header[from + 8]!;
    if (this.#isFirst) this.#checkFirst(type, flags);
    this.#flags = flags;
    if (type === frameType.data) return this.#beginData(streamId, length, at);
    if (length > maxDataBytes) throw tooLong();
    if (type > frameType.continuation) {
      this.#sink.onUnknown();
      this.#expect(reading.skipped, length);
      return at;
    }
    if (length > maxWholeBytes) throw new ConnectionError(errorCode.enhanceYourCalm, 'A frame is too long.');
    if (at + length <= chunk.length) {
      this.#awaitHeader();
      this.#sink.onFrame(type, flags, streamId, chunk, at, at + length);
      return at + length;
    }
    this.#type = type;
    this.#streamId = streamId;
    this.#payload = Buffer.allocUnsafe(length);
    this.#expect(reading.whole, length);
    return at;
  }

  #checkFirst(type: number, flags: number): void {
    this.#isFirst = false;
    if (type !== frameType.settings || (flags & flag.ack) !== 0)
      throw protocolError('The first frame is not SETTINGS.');
  }

  /** A part without a byte is over at once. */
  #expect(state: number, length: number): void {
    if (length === 0) this.#awaitHeader();
    else {
      this.#state = state;
      this.#left = length;
    }
  }

  #beginData(streamId: number, length: number, at: number): number {
    if (length > maxDataBytes) throw tooLong();
    const isPadded = (this.#flags & flag.padded) !== 0;
    if (isPadded && length === 0) throw new ConnectionError(errorCode.frameSizeError, 'Padding without its length.');
    this.#padding = 0;
    this.#sink.onDataBegin(streamId, length);
    this.#state = isPadded ? reading.padLength : reading.data;
    this.#left = length;
    if (length === 0) this.#endData();
    return at;
  }

  #readPadLength(chunk: Buffer, at: number): number {
    const padding = chunk[at]!;
    const rest = this.#left - 1;
    if (padding > rest) throw protocolError('The padding is longer than its frame.');
    this.#padding = padding;
    this.#state = reading.data;
    this.#left = rest - padding;
    if (this.#left === 0) this.#endBody();
    return at + 1;
  }

  #readData(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    this.#sink.onDataPiece(chunk.subarray(at, end));
    if (this.#left === 0) this.#endBody();
    return end;
  }

  #endBody(): void {
    if (this.#padding === 0) this.#endData();
    else {
      this.#state = reading.padding;
      this.#left = this.#padding;
    }
  }

  #endData(): void {
    this.#awaitHeader();
    this.#sink.onDataEnd((this.#flags & flag.endStream) !== 0);
  }

  /** Padding, which ends a DATA frame, or a frame that means nothing to us. */
  #skip(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left > 0) return end;
    if (this.#state === reading.padding) this.#endData();
    else this.#awaitHeader();
    return end;
  }

  #readWhole(chunk: Buffer, at: number): number {
    const payload = this.#payload!;
    const end = Math.min(chunk.length, at + this.#left);
    chunk.copy(payload, payload.length - this.#left, at, end);
    this.#left -= end - at;
    if (this.#left > 0) return end;
    this.#payload = undefined;
    this.#awaitHeader();
    this.#sink.onFrame(this.#type, this.#flags, this.#streamId, payload, 0, payload.length);
    return end;
  }
}

function tooLong(): ConnectionError {
  return new ConnectionError(errorCode.frameSizeError, `A frame is longer than ${maxDataBytes} bytes.`);
}
