/** Protobuf's wire format of one whole small message, read in place. Every length is checked; what is malformed is a broken answer. */
import { brokenAnswer } from './upstream-failure.ts';

export class ProtoReader {
  readonly #bytes: Buffer;
  #pos = 0;
  #wireType = 0;
  /** Number of the field whose value comes next. */
  field = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Moves to the next field, whose value must then be read or skipped; false at the end. */
  next(): boolean {
    if (this.#pos >= this.#bytes.length) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.#wireType = tag % 8;
    return true;
  }

  /** An int64 or smaller, or a bool; exact up to 2^53. */
  number(): number {
    this.#expect(0);
    return this.#varint();
  }

  /** A view. */
  bytes(): Buffer {
    this.#expect(2);
    return this.#take(this.#varint());
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  /** Adds one element or a packed run of them. */
  numbersInto(list: number[]): void {
    if (this.#wireType === 0) {
      list.push(this.#varint());
      return;
    }
    const packed = new ProtoReader(this.bytes());
    while (packed.#pos < packed.#bytes.length) list.push(packed.#varint());
  }

  /** One fixed32 or fixed64, or a packed run of them. */
  fixed(size: 4 | 8): Buffer {
    return this.#wireType === 2 ? this.bytes() : this.#take(size);
  }

  /** One element or a packed run, unsigned and exact. */
  bigints(): bigint[] {
    if (this.#wireType === 0) return [this.#bigVarint()];
    const packed = new ProtoReader(this.bytes());
    const list: bigint[] = [];
    while (packed.#pos < packed.#bytes.length) list.push(packed.#bigVarint());
    return list;
  }

  skip(): void {
    if (this.#wireType === 0) this.#varint();
    else if (this.#wireType === 1) this.#take(8);
    else if (this.#wireType === 2) this.#take(this.#varint());
    else if (this.#wireType === 5) this.#take(4);
    else throw malformed();
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw malformed();
  }

  /** As int64. Negative numbers are ten bytes long and rare: they go the exact way. */
  #varint(): number {
    const start = this.#pos;
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 7; count++) {
      const byte = this.#bytes[this.#pos++];
      if (byte === undefined) throw malformed();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    this.#pos = start;
    return Number(BigInt.asIntN(64, this.#bigVarint()));
  }

  #bigVarint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#pos++];
      if (byte === undefined) throw malformed();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw malformed();
  }

  #take(length: number): Buffer {
    if (length < 0 || length > this.#bytes.length - this.#pos) throw malformed();
    this.#pos += length;
    return this.#bytes.subarray(this.#pos - length, this.#pos);
  }
}

export function malformed(): Error {
  return brokenAnswer('it is no valid protobuf message');
}
