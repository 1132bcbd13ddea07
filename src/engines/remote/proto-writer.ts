/** Protobuf's wire format into one growing buffer: what a ModelInferRequest and the small requests need. Field numbers below 16. */

const maxVarintBytes = 10;

export class ProtoWriter {
  #buffer: Buffer;
  #pos: number;

  /** `room` bytes stay free in front, for gRPC's prefix. */
  constructor(room: number, expected: number) {
    this.#buffer = Buffer.allocUnsafe(room + expected);
    this.#pos = room;
  }

  get length(): number {
    return this.#pos;
  }

  /** A string field; not written when empty, which is its default. */
  text(field: number, value: string): void {
    if (value === '') return;
    const length = Buffer.byteLength(value);
    this.bytesHead(field, length);
    this.#reserve(length);
    this.#buffer.write(value, this.#pos);
    this.#pos += length;
  }

  /** Non-negative integers as a packed list; nothing for an empty list. */
  packed(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const list = this.open(field);
    this.#reserve(maxVarintBytes * values.length);
    for (const value of values) this.#varint(value);
    this.close(list);
  }

  /** Key and length of a byte field whose `length` bytes follow. */
  bytesHead(field: number, length: number): void {
    this.#reserve(1 + maxVarintBytes);
    this.#buffer[this.#pos++] = (field << 3) | 2;
    this.#varint(length);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.byteLength);
    this.#buffer.set(value, this.#pos);
    this.#pos += value.byteLength;
  }

  /** Begins an embedded message or packed list; `close` takes what this returns. */
  open(field: number): number {
    this.#reserve(2);
    this.#buffer[this.#pos++] = (field << 3) | 2;
    return ++this.#pos;
  }

  close(start: number): void {
    const length = this.#pos - start;
    if (length < 128) {
      this.#buffer[start - 1] = length;
      return;
    }
    // Its length got one byte; longer ones move the message.
    this.#reserve(maxVarintBytes);
    const end = this.#pos;
    this.#pos = start - 1;
    let rest = length;
    let size = 1;
    while (rest >= 128) {
      rest = Math.floor(rest / 128);
      size++;
    }
    this.#buffer.copyWithin(start - 1 + size, start, end);
    this.#varint(length);
    this.#pos += length;
  }

  /** Everything written, the room in front included. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#pos);
  }

  /** By division, not by shifts: lengths and dimensions may be beyond 32 bits. */
  #varint(value: number): void {
    while (value >= 128) {
      this.#buffer[this.#pos++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    this.#buffer[this.#pos++] = value;
  }

  #reserve(bytes: number): void {
    const needed = this.#pos + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(grown, 0, 0, this.#pos);
    this.#buffer = grown;
  }
}
