/**
 * Protobuf wire format, reading half. Called by decode.ts. Byte fields are views of the input, never copies.
 * Every length is checked against the input: malformed bytes throw INVALID_INPUT and never read past the end or loop.
 */
import { HotpathError } from '../core/errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function malformed(message: string): HotpathError {
  return new HotpathError('INVALID_INPUT', `The model file is malformed: ${message}.`);
}

/** Calls `read(field, reader)` for each field of a message; the callback reads the value or it is skipped. */
export function readMessage(bytes: Uint8Array, read: (field: number, reader: WireReader) => void): void {
  const reader = new WireReader(bytes);
  while (reader.next()) {
    read(reader.field, reader);
    reader.skipUnread();
  }
}

export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #wireType = -1;
  #pending = false;
  field = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves to the next field; false at the end. */
  next(): boolean {
    if (this.#offset >= this.#bytes.length) return false;
    const tag = Number(this.#varint());
    this.field = Math.floor(tag / 8);
    this.#wireType = tag % 8;
    this.#pending = true;
    if (this.field === 0) throw malformed('field number 0');
    return true;
  }

  /** A signed 64-bit integer. */
  bigint(): bigint {
    this.#expect(0);
    return BigInt.asIntN(64, this.#varint());
  }

  /** A signed integer, as a number where that is exact. */
  int(): number | bigint {
    return narrow(this.bigint());
  }

  /** A signed integer that must be a safe number. */
  number(): number {
    return Number(this.bigint());
  }

  float(): number {
    this.#expect(5);
    return this.#fixed32();
  }

  bytes(): Uint8Array {
    this.#expect(2);
    return this.#take(Number(this.#varint()));
  }

  string(): string {
    try {
      return utf8.decode(this.bytes());
    } catch (error) {
      if (error instanceof HotpathError) throw error;
      throw malformed(`field ${this.field} is no UTF-8 text`);
    }
  }

  /** Adds one element, or a packed run of them: protobuf readers must accept both. */
  intsInto(list: (number | bigint)[]): void {
    if (this.#wireType === 0) {
      list.push(this.int());
      return;
    }
    const packed = new WireReader(this.bytes());
    while (packed.#offset < packed.#bytes.length) list.push(narrow(BigInt.asIntN(64, packed.#varint())));
  }

  floatsInto(list: number[]): void {
    if (this.#wireType === 5) {
      list.push(this.float());
      return;
    }
    const packed = new WireReader(this.bytes());
    while (packed.#offset < packed.#bytes.length) list.push(packed.#fixed32());
  }

  skipUnread(): void {
    if (!this.#pending) return;
    this.#pending = false;
    if (this.#wireType === 0) this.#varint();
    else if (this.#wireType === 1) this.#take(8);
    else if (this.#wireType === 2) this.#take(Number(this.#varint()));
    else if (this.#wireType === 5) this.#take(4);
    else throw malformed(`unknown wire type ${this.#wireType}`);
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) {
      throw malformed(`field ${this.field} has wire type ${this.#wireType} where ${wireType} was expected`);
    }
    this.#pending = false;
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#offset++];
      if (byte === undefined) throw malformed('it ends inside a number');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw malformed('a number is longer than ten bytes');
  }

  #fixed32(): number {
    this.#take(4);
    return this.#view.getFloat32(this.#offset - 4, true);
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#offset) throw malformed('it ends inside a field');
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
