/**
 * Protobuf's wire format, as much of it as the gRPC client needs: fields appended to a list of chunks, fields read one by one from
 * a message. Used by node-grpc-messages.ts. Format: protobuf.dev/programming-guides/encoding.
 */
import { wrongAnswer } from './client-error.ts';

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** A message being written. Large byte fields stay where they are and are sent as chunks of their own. */
export class MessageWriter {
  readonly chunks: Uint8Array[] = [];
  length = 0;
  #small: number[] = [];

  text(field: number, value: string): void {
    if (value !== '') this.bytes(field, Buffer.from(value));
  }

  bytes(field: number, value: Uint8Array): void {
    this.#key(field, wire.bytes);
    this.#varint(value.byteLength);
    this.#flush();
    this.#push(value);
  }

  message(field: number, inner: MessageWriter): void {
    this.#key(field, wire.bytes);
    inner.#flush();
    this.#varint(inner.length);
    this.#flush();
    for (const chunk of inner.chunks) this.#push(chunk);
  }

  bool(field: number, value: boolean): void {
    this.#key(field, wire.varint);
    this.#small.push(value ? 1 : 0);
  }

  int64(field: number, value: bigint): void {
    this.#key(field, wire.varint);
    this.#bigVarint(BigInt.asUintN(64, value));
  }

  double(field: number, value: number): void {
    this.#key(field, wire.fixed64);
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeDoubleLE(value);
    this.#small.push(...bytes);
  }

  /** A packed list of non-negative safe integers; nothing for an empty list. */
  packed(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const list = new MessageWriter();
    for (const value of values) list.#bigVarint(BigInt(value));
    this.message(field, list);
  }

  /** The chunks of the message; nothing may be written after it. */
  finish(): readonly Uint8Array[] {
    this.#flush();
    return this.chunks;
  }

  /** The message as one array. */
  join(): Buffer {
    return Buffer.concat(this.finish());
  }

  #key(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#small.push((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.#small.push(rest);
  }

  #bigVarint(value: bigint): void {
    let rest = value;
    while (rest >= 0x80n) {
      this.#small.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#small.push(Number(rest));
  }

  #flush(): void {
    if (this.#small.length === 0) return;
    this.#push(Buffer.from(this.#small));
    this.#small = [];
  }

  #push(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.length += chunk.byteLength;
  }
}

/** A cursor over one message. Byte fields are views of it. @throws INVALID_RESPONSE when the bytes are no protobuf. */
export class MessageReader {
  readonly #bytes: Buffer;
  #pos = 0;
  #wireType = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The number of the next field; 0 at the end. */
  next(): number {
    if (this.#pos >= this.#bytes.length) return 0;
    const key = Number(this.#varint());
    this.#wireType = key & 7;
    return Math.floor(key / 8);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  message(): MessageReader {
    return new MessageReader(this.bytes());
  }

  bytes(): Buffer {
    if (this.#wireType !== wire.bytes) throw malformed();
    const length = Number(this.#varint());
    const start = this.#pos;
    if (length > this.#bytes.length - start) throw malformed();
    this.#pos = start + length;
    return this.#bytes.subarray(start, this.#pos);
  }

  bool(): boolean {
    return this.uint64() !== 0n;
  }

  uint64(): bigint {
    if (this.#wireType !== wire.varint) throw malformed();
    return this.#varint();
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  /** Elements of a list, packed or one by one, as unsigned 64-bit integers. */
  *varints(): Generator<bigint> {
    if (this.#wireType === wire.varint) yield this.#varint();
    else {
      const list = new MessageReader(this.bytes());
      while (list.#pos < list.#bytes.length) yield list.#varint();
    }
  }

  /** Bytes of a list of fixed-size elements, packed or one by one. */
  fixed(size: 4 | 8): Buffer {
    if (this.#wireType === wire.bytes) return this.bytes();
    if (this.#wireType !== (size === 4 ? wire.fixed32 : wire.fixed64)) throw malformed();
    return this.#take(size);
  }

  skip(): void {
    if (this.#wireType === wire.varint) this.#varint();
    else if (this.#wireType === wire.bytes) this.bytes();
    else if (this.#wireType === wire.fixed64) this.#take(8);
    else if (this.#wireType === wire.fixed32) this.#take(4);
    else throw malformed();
  }

  #take(count: number): Buffer {
    if (count > this.#bytes.length - this.#pos) throw malformed();
    this.#pos += count;
    return this.#bytes.subarray(this.#pos - count, this.#pos);
  }

  #varint(): bigint {
    const first = this.#bytes[this.#pos];
    // Nearly all keys, lengths and dimensions are one byte.
    if (first !== undefined && first < 0x80) {
      this.#pos++;
      return BigInt(first);
    }
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#pos++];
      if (byte === undefined) throw malformed();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw malformed();
  }
}

function malformed(): Error {
  return wrongAnswer('The answer is no valid protobuf.');
}
