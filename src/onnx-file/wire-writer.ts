/**
 * Protobuf wire format, writing half: just what ONNX needs (varint, fixed32, length-delimited, packed lists).
 * Called by encode.ts. Big byte fields are kept by reference and joined once in `finish()`, so nesting copies no weights:
 * never change bytes handed in before `finish()`.
 */
import { HotpathError } from '../core/errors.ts';

/** Byte fields and children up to this size are copied into the scratch buffer; larger ones are cheaper by reference. */
const copyLimitBytes = 1024;
const utf8 = new TextEncoder();

export class WireWriter {
  #scratch = new Uint8Array(256);
  #used = 0;
  #chunks: Uint8Array[] = [];
  #chunkBytes = 0;

  get length(): number {
    return this.#chunkBytes + this.#used;
  }

  /** One int32, int64 or enum field. */
  int(field: number, value: number | bigint): void {
    this.#tag(field, 0);
    this.#varint(value);
  }

  float(field: number, value: number): void {
    this.#tag(field, 5);
    this.#fixed32(value);
  }

  string(field: number, text: string): void {
    this.bytes(field, utf8.encode(text));
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.#tag(field, 2);
    this.#varint(bytes.length);
    this.#append(bytes);
  }

  packedInts(field: number, values: ArrayLike<number | bigint>): void {
    this.message(field, (list) => {
      for (let i = 0; i < values.length; i++) list.#varint(values[i]!);
    });
  }

  packedFloats(field: number, values: ArrayLike<number>): void {
    this.message(field, (list) => {
      for (let i = 0; i < values.length; i++) list.#fixed32(values[i]!);
    });
  }

  /** An embedded message, written by `fill`. */
  message(field: number, fill: (child: WireWriter) => void): void {
    const child = new WireWriter();
    fill(child);
    this.#tag(field, 2);
    this.#varint(child.length);
    for (const chunk of child.#chunks) this.#append(chunk);
    this.#append(child.#scratch.subarray(0, child.#used));
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      out.set(chunk, offset);
      offset += chunk.length;
    }
    out.set(this.#scratch.subarray(0, this.#used), offset);
    return out;
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number | bigint): void {
    this.#reserve(10);
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw new HotpathError('INVALID_INPUT', `${value} is not a safe integer.`);
    }
    if (typeof value === 'bigint' || value < 0) {
      this.#varint64(BigInt.asUintN(64, BigInt(value)));
      return;
    }
    while (value > 127) {
      this.#scratch[this.#used++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    this.#scratch[this.#used++] = value;
  }

  /** Takes the two's complement, so a negative number always fills ten bytes. */
  #varint64(rest: bigint): void {
    while (rest > 127n) {
      this.#scratch[this.#used++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#scratch[this.#used++] = Number(rest);
  }

  #fixed32(value: number): void {
    this.#reserve(4);
    floatCell[0] = value;
    const bits = bitsCell[0]!;
    for (let shift = 0; shift < 32; shift += 8) this.#scratch[this.#used++] = bits >>> shift;
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length > copyLimitBytes) {
      this.#flush();
      this.#chunks.push(bytes);
      this.#chunkBytes += bytes.length;
      return;
    }
    this.#reserve(bytes.length);
    this.#scratch.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #flush(): void {
    if (this.#used === 0) return;
    this.#chunks.push(this.#scratch.slice(0, this.#used));
    this.#chunkBytes += this.#used;
    this.#used = 0;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#scratch.length) return;
    const grown = new Uint8Array(Math.max(this.#scratch.length * 2, this.#used + bytes));
    grown.set(this.#scratch.subarray(0, this.#used));
    this.#scratch = grown;
  }
}

const floatCell = new Float32Array(1);
const bitsCell = new Uint32Array(floatCell.buffer);
