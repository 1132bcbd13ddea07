/**
 * Plain values as MessagePack, in one growing buffer. Typed arrays of bytes become `bin`; `Float32` marks numbers that go
 * out in four bytes. Answers only: it trusts its input and has no depth limit.
 */

/** A list of float32 values, written with 5 bytes each instead of 9. */
export class Float32List {
  readonly values: ArrayLike<number>;
  constructor(values: ArrayLike<number>) {
    this.values = values;
  }
}

const encoder = new TextEncoder();

/** The bytes of `value`: objects, arrays, strings, numbers, bigints, booleans, null, Uint8Array, Float32List. */
export function writeMsgpack(value: unknown): Buffer<ArrayBuffer> {
  const writer = new Writer();
  writer.value(value);
  return writer.finish();
}

class Writer {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  finish(): Buffer<ArrayBuffer> {
    return Buffer.from(this.#bytes.buffer, 0, this.#length);
  }

  value(value: unknown): void {
    if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'bigint') this.#bigint(value);
    else if (typeof value === 'boolean') this.#byte(value ? 0xc3 : 0xc2);
    else if (value === null || value === undefined) this.#byte(0xc0);
    else if (Array.isArray(value)) this.#list(value);
    else if (value instanceof Uint8Array) this.#bin(value);
    else if (value instanceof Float32List) this.#floats(value.values);
    else this.#map(value as Record<string, unknown>);
  }

  #number(value: number): void {
    if (!Number.isInteger(value) || Object.is(value, -0)) {
      this.#byte(0xcb);
      const at = this.#grow(8);
      this.#view.setFloat64(at, value);
    } else if (value >= 0 && value < 0x80) this.#byte(value);
    else if (value < 0 && value >= -32) this.#byte(value + 0x100);
    else if (value >= -0x80000000 && value <= 0x7fffffff) {
      this.#byte(0xd2);
      const at = this.#grow(4);
      this.#view.setInt32(at, value);
    } else if (Number.isSafeInteger(value)) this.#bigint(BigInt(value));
    else {
      this.#byte(0xcb);
      const at = this.#grow(8);
      this.#view.setFloat64(at, value);
    }
  }

  #bigint(value: bigint): void {
    this.#byte(value < 0n ? 0xd3 : 0xcf);
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, value));
  }

  #floats(values: ArrayLike<number>): void {
    this.#header(values.length, 0x90, 16, 0xdc);
    for (let i = 0; i < values.length; i++) {
      this.#byte(0xca);
      const at = this.#grow(4);
      this.#view.setFloat32(at, values[i]!);
    }
  }

  #list(values: readonly unknown[]): void {
    this.#header(values.length, 0x90, 16, 0xdc);
    for (const value of values) this.value(value);
  }

  #map(map: Record<string, unknown>): void {
    const entries = Object.entries(map).filter(([, value]) => value !== undefined);
    this.#header(entries.length, 0x80, 16, 0xde);
    for (const [key, value] of entries) {
      this.#text(key);
      this.value(value);
    }
  }

  #text(text: string): void {
    const bytes = encoder.encode(text);
    const { length } = bytes;
    if (length < 32) this.#byte(0xa0 + length);
    else this.#sized(length, 0xd9);
    this.#raw(bytes);
  }

  #bin(bytes: Uint8Array): void {
    this.#sized(bytes.length, 0xc4);
    this.#raw(bytes);
  }

  /** `str` and `bin`: a type with 1, 2 or 4 length bytes. */
  #sized(length: number, type8: number): void {
    if (length < 0x100) {
      this.#byte(type8);
      this.#byte(length);
    } else if (length < 0x10000) {
      this.#byte(type8 + 1);
      const at = this.#grow(2);
      this.#view.setUint16(at, length);
    } else {
      this.#byte(type8 + 2);
      const at = this.#grow(4);
      this.#view.setUint32(at, length);
    }
  }

  /** Lists and maps: a fixed type for few, else 2 or 4 length bytes. */
  #header(length: number, fixed: number, fixedLimit: number, type16: number): void {
    if (length < fixedLimit) this.#byte(fixed + length);
    else if (length < 0x10000) {
      this.#byte(type16);
      const at = this.#grow(2);
      this.#view.setUint16(at, length);
    } else {
      this.#byte(type16 + 1);
      const at = this.#grow(4);
      this.#view.setUint32(at, length);
    }
  }

  #raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  #byte(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  #grow(size: number): number {
    const at = this.#length;
    this.#length = at + size;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + 64));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
