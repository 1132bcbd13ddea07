/**
 * Protobuf's wire format, written into one growing buffer with room in front for what is only known at the end: the length of an
 * enclosing message and gRPC's own prefix. Used by infer-response.ts. Large byte fields are not written here but sent as chunks.
 */

const maxVarintBytes = 10;

export class WireWriter {
  buffer: Buffer;
  pos: number;

  /** `room` bytes stay free in front; `expected` is a guess at what follows. */
  constructor(room: number, expected: number) {
    this.buffer = Buffer.allocUnsafe(room + expected);
    this.pos = room;
  }

  /** A string field; not written when empty, which is its default. */
  text(field: number, value: string): void {
    if (value !== '') this.presentText(field, value);
  }

  /** A string field that is written even when empty: within a oneof that says which is chosen, and in lists. */
  presentText(field: number, value: string): void {
    // Three bytes of UTF-8 per UTF-16 unit at most.
    this.reserve(2 * maxVarintBytes + 3 * value.length);
    this.#key(field, 2);
    const { length } = value;
    // Short ASCII is nearly everything: its length is known before it is written.
    if (length < 128 && this.#ascii(value)) return;
    this.#uint32(Buffer.byteLength(value));
    this.pos += this.buffer.write(value, this.pos);
  }

  varint(field: number, value: bigint): void {
    this.reserve(2 * maxVarintBytes);
    this.#key(field, 0);
    this.#bigVarint(value);
  }

  double(field: number, value: number): void {
    this.reserve(maxVarintBytes + 8);
    this.#key(field, 1);
    this.pos = this.buffer.writeDoubleLE(value, this.pos);
  }

  /** Non-negative or negative safe integers as a packed list of int64; nothing for an empty list. */
  packedInt64(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const list = this.open(field);
    this.reserve(maxVarintBytes * values.length);
    for (const value of values) {
      if (value >= 0 && value < 0x1_0000_0000) this.#uint32(value);
      else this.#bigVarint(BigInt.asUintN(64, BigInt(value)));
    }
    this.close(list);
  }

  /** Key and length of a byte field whose `length` bytes follow. */
  bytesHead(field: number, length: number): void {
    this.reserve(2 * maxVarintBytes);
    this.#key(field, 2);
    this.#uint32(length);
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.byteLength);
    this.buffer.set(value, this.pos);
    this.pos += value.byteLength;
  }

  /** One element of a packed list of varints. The caller has reserved ten bytes for it. */
  rawVarint(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0) this.#uint32(value);
    else this.#bigVarint(BigInt.asUintN(64, BigInt(value)));
  }

  /** Begins an embedded message or packed list; `close` takes what this returns. Its length gets one byte, more if it must. */
  open(field: number): number {
    this.reserve(maxVarintBytes + 1);
    this.#key(field, 2);
    return ++this.pos;
  }

  close(start: number): void {
    const length = this.pos - start;
    if (length < 128) {
      this.buffer[start - 1] = length;
      return;
    }
    const extra = varintBytes(length) - 1;
    this.reserve(extra);
    this.buffer.copyWithin(start + extra, start, this.pos);
    const end = this.pos + extra;
    this.pos = start - 1;
    this.#uint32(length);
    this.pos = end;
  }

  reserve(bytes: number): void {
    const needed = this.pos + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.buffer.length));
    this.buffer.copy(grown, 0, 0, this.pos);
    this.buffer = grown;
  }

  #key(field: number, wireType: number): void {
    // Every field number of ours is below 16.
    this.buffer[this.pos++] = (field << 3) | wireType;
  }

  #uint32(value: number): void {
    this.pos = writeVarint(this.buffer, this.pos, value);
  }

  #bigVarint(value: bigint): void {
    while (value >= 0x80n) {
      this.buffer[this.pos++] = Number(value & 0x7fn) | 0x80;
      value >>= 7n;
    }
    this.buffer[this.pos++] = Number(value);
  }

  #ascii(value: string): boolean {
    const { buffer, pos } = this;
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      if (unit >= 0x80) return false;
      buffer[pos + 1 + index] = unit;
    }
    buffer[pos] = value.length;
    this.pos = pos + 1 + value.length;
    return true;
  }
}

/** Writes an unsigned 32-bit varint at `pos`; returns where it ends. */
export function writeVarint(buffer: Uint8Array, pos: number, value: number): number {
  while (value >= 0x80) {
    buffer[pos++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  buffer[pos++] = value;
  return pos;
}

/** Bytes of an unsigned 32-bit number as a varint. */
export function varintBytes(value: number): number {
  let count = 1;
  while (value >= 0x80) {
    value >>>= 7;
    count++;
  }
  return count;
}
