/**
 * Protobuf's wire format, read in place: one cursor over one message, every length checked against the message around it.
 * Used by the hand-written ModelInfer decoder only. Never copies: byte fields are views of the message.
 * Format: protobuf.dev/programming-guides/encoding.
 */
import { type HotpathError, invalidInput } from '../../core/errors.ts';

export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Up to here a loop over the bytes beats the call into TextDecoder. */
const maxLoopedText = 64;

export class WireReader {
  readonly buffer: Buffer;
  pos = 0;
  /** Where the message being read ends: the whole one, or an embedded one between `open` and `close`. */
  end: number;
  /** Of the last varint read by `varint64`, unsigned. */
  low = 0;
  high = 0;
  /** Of the last tag. */
  wireType = 0;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
    this.end = buffer.length;
  }

  /** The next field's number; its wire type is in `wireType`. Groups and reserved wire types are refused. */
  tag(): number {
    const tag = this.#uint32('a field tag');
    const wireType = tag & 7;
    if (wireType > 5 || wireType === 3 || wireType === 4) throw this.malformed(`wire type ${wireType} is not accepted`);
    if (tag < 8) throw this.malformed('field number 0 does not exist');
    this.wireType = wireType;
    return tag >>> 3;
  }

  /** Checks the wire type of the field whose tag was just read. */
  expect(wireType: number, field: string): void {
    if (this.wireType === wireType) return;
    throw this.malformed(`${field} has wire type ${this.wireType} instead of ${wireType}`);
  }

  /** The length of a byte field, checked: so many bytes follow within the message. */
  length(field: string): number {
    const length = this.#uint32(field);
    if (length > this.end - this.pos) throw this.malformed(`${field} is longer than the message`);
    return length;
  }

  /** Enters the embedded message that follows; returns what `close` needs. */
  open(field: string): number {
    this.expect(wireTypes.bytes, field);
    const length = this.length(field);
    const outer = this.end;
    this.end = this.pos + length;
    return outer;
  }

  close(outer: number): void {
    this.end = outer;
  }

  /** A view of the bytes of the field. */
  bytes(field: string): Buffer {
    this.expect(wireTypes.bytes, field);
    const length = this.length(field);
    const start = this.pos;
    this.pos = start + length;
    return this.buffer.subarray(start, this.pos);
  }

  /** @throws INVALID_INPUT when the bytes are no UTF-8. */
  text(field: string): string {
    this.expect(wireTypes.bytes, field);
    const length = this.length(field);
    const start = this.pos;
    this.pos = start + length;
    if (length <= maxLoopedText && this.#isAscii(start, this.pos))
      return this.buffer.toString('latin1', start, this.pos);
    try {
      return utf8.decode(this.buffer.subarray(start, this.pos));
    } catch {
      throw invalidInput(field, `${field}: the text is not valid UTF-8.`, 'UTF-8');
    }
  }

  /** A varint of up to 64 bits into `low` and `high`. */
  varint64(field: string): void {
    const { buffer } = this;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.end) throw this.malformed(`${field} ends early`);
      const byte = buffer[this.pos++]!;
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= (byte & 0x0f) << 28;
        high = (byte & 0x7f) >>> 4;
      } else high |= (byte & 0x7f) << (shift - 32);
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw this.malformed(`${field} is longer than 64 bits`);
  }

  /** An int64 as a number; beyond 2^53 it is rounded and so no safe integer. */
  int64AsNumber(field: string): number {
    this.varint64(field);
    return (this.high | 0) * 0x1_0000_0000 + this.low;
  }

  /** Steps over a field of no interest. */
  skip(): void {
    if (this.wireType === wireTypes.varint) this.varint64('an unknown field');
    else this.skipBytes(this.wireType === wireTypes.bytes ? this.length('an unknown field') : this.#fixedBytes());
  }

  skipBytes(count: number): void {
    if (count > this.end - this.pos) throw this.malformed('a field is longer than the message');
    this.pos += count;
  }

  malformed(what: string): HotpathError {
    return invalidInput('message', `The message is no valid protobuf: ${what} (at byte ${this.pos}).`, 'protobuf');
  }

  #fixedBytes(): number {
    return this.wireType === wireTypes.fixed64 ? 8 : 4;
  }

  #uint32(field: string): number {
    const { buffer, pos } = this;
    // Nearly all tags and lengths are one byte.
    if (pos < this.end) {
      const first = buffer[pos]!;
      if (first < 0x80) {
        this.pos = pos + 1;
        return first;
      }
    }
    this.varint64(field);
    if (this.high !== 0) throw this.malformed(`${field} is larger than 32 bits`);
    return this.low;
  }

  #isAscii(start: number, end: number): boolean {
    const { buffer } = this;
    for (let index = start; index < end; index++) if (buffer[index]! >= 0x80) return false;
    return true;
  }
}
