/**
 * A protobuf message as its ordered fields, each a view of the original bytes. Called by whatever rewrites foreign models:
 * fields that nobody touched are written back byte for byte, known or not. Never copies and never interprets a payload.
 * Hand in plain Uint8Arrays: a Buffer makes every view several times dearer.
 */
import { HotpathError } from '../core/errors.ts';
import { WireWriter } from './wire-writer.ts';

export interface Field {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  readonly wireType: number;
  /** Tag, length and payload, as they stand in the file. */
  readonly bytes: Uint8Array;
  /** The content: without the length for wire type 2, the encoded number otherwise. */
  readonly payload: Uint8Array;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function malformed(message: string): HotpathError {
  return new HotpathError('INVALID_INPUT', `The model file is malformed: ${message}.`);
}

/** More fields than any real message has; each costs some hundred bytes of memory while it is looked at. */
const mostFields = 1_000_000;

/** Gets each field as offsets into the message: tag at `start`, content from `payloadStart` to `end`. */
export type FieldVisitor = (number: number, wireType: number, start: number, payloadStart: number, end: number) => void;

/**
 * Walks the fields of a message without making anything: for lists of a million numbers written one by one.
 * @param onCut a file that was cut off: gets told, and the last field ends where the file does
 * @throws INVALID_INPUT when the bytes are no protobuf message; never reads past the end.
 */
export function walkFields(bytes: Uint8Array, visit: FieldVisitor, onCut?: () => void): void {
  const cursor = { bytes, offset: 0 };
  while (cursor.offset < bytes.length) {
    const start = cursor.offset;
    const tag = readVarint(cursor);
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (number === 0 || number > 0x1fffffff) throw malformed(`field number ${number}`);
    const length = payloadLength(cursor, wireType);
    const payloadStart = cursor.offset;
    if (length > bytes.length - payloadStart) {
      if (onCut === undefined || wireType !== 2) throw malformed('it ends inside a field');
      onCut();
    }
    cursor.offset = Math.min(bytes.length, payloadStart + length);
    visit(number, wireType, start, payloadStart, cursor.offset);
  }
}

/** @throws INVALID_INPUT when the bytes are no protobuf message, or one of over a million fields. */
export function scanFields(bytes: Uint8Array): Field[] {
  const found: Field[] = [];
  walkFields(bytes, collectInto(found, bytes));
  return found;
}

/** As many fields as can be read, for looking into damaged files; `onProblem` gets what stopped it. */
export function scanDamaged(bytes: Uint8Array, onProblem: (error: unknown) => void): Field[] {
  const found: Field[] = [];
  try {
    walkFields(bytes, collectInto(found, bytes), () => onProblem(malformed('it ends inside a field')));
  } catch (error) {
    onProblem(error);
  }
  return found;
}

function collectInto(found: Field[], bytes: Uint8Array): FieldVisitor {
  return (number, wireType, start, payloadStart, end) => {
    if (found.length === mostFields) throw malformed(`a message has over ${mostFields} fields`);
    found.push({ number, wireType, bytes: bytes.subarray(start, end), payload: bytes.subarray(payloadStart, end) });
  };
}

interface Cursor {
  readonly bytes: Uint8Array;
  offset: number;
}

function payloadLength(cursor: Cursor, wireType: number): number {
  if (wireType === 2) return readVarint(cursor);
  if (wireType === 5) return 4;
  if (wireType === 1) return 8;
  if (wireType !== 0) throw malformed(`unknown wire type ${wireType}`);
  let length = 1;
  while ((cursor.bytes[cursor.offset + length - 1] ?? 0) > 127) length++;
  if (length > 10) throw malformed('a number is longer than ten bytes');
  return length;
}

/** A tag or a length: both far below 2^53, so a number does. */
function readVarint(cursor: Cursor): number {
  let value = 0;
  let unit = 1;
  for (let count = 0; count < 10; count++) {
    const byte = cursor.bytes[cursor.offset++];
    if (byte === undefined) throw malformed('it ends inside a number');
    value += (byte & 127) * unit;
    if (byte < 128) return value;
    unit *= 128;
  }
  throw malformed('a number is longer than ten bytes');
}

function expectWire(field: Field, wireType: number): void {
  if (field.wireType === wireType) return;
  throw malformed(`field ${field.number} has wire type ${field.wireType} where ${wireType} was expected`);
}

/** A nested message, bytes or text: what is inside. */
export function contentOf(field: Field): Uint8Array {
  expectWire(field, 2);
  return field.payload;
}

export function textOf(field: Field): string {
  const content = contentOf(field);
  try {
    return utf8.decode(content);
  } catch {
    throw malformed(`field ${field.number} is no UTF-8 text`);
  }
}

/** A signed 64-bit integer, as a number where that is exact. */
export function integerOf(field: Field): number | bigint {
  expectWire(field, 0);
  return decodeVarints(field.payload)[0]!;
}

/** As `integerOf`, for the enums and versions that are small; others lose precision and then fit no table. */
export function numberOf(field: Field): number {
  return Number(integerOf(field));
}

/** Every varint in `bytes`, signed. */
export function decodeVarints(bytes: Uint8Array): (number | bigint)[] {
  const values: (number | bigint)[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    let low = 0;
    let unit = 1;
    let byte = 128;
    const start = offset;
    // Seven bytes hold 49 bits: exact in a number. Longer ones, such as every negative number, go the slow way.
    while (byte > 127 && offset - start < 7) {
      byte = bytes[offset++] ?? -1;
      low += (byte & 127) * unit;
      unit *= 128;
    }
    if (byte < 0) throw malformed('it ends inside a number');
    if (byte < 128) values.push(low);
    else {
      const [value, end] = wideVarint(bytes, start);
      values.push(value);
      offset = end;
    }
  }
  return values;
}

function wideVarint(bytes: Uint8Array, start: number): [number | bigint, number] {
  let value = 0n;
  for (let count = 0; count < 10; count++) {
    const byte = bytes[start + count];
    if (byte === undefined) throw malformed('it ends inside a number');
    value |= BigInt(byte & 127) << BigInt(7 * count);
    if (byte > 127) continue;
    const signed = BigInt.asIntN(64, value);
    const number = Number(signed);
    return [Number.isSafeInteger(number) ? number : signed, start + count + 1];
  }
  throw malformed('a number is longer than ten bytes');
}

/** A repeated integer field, written packed or one by one. */
export function integersOf(fields: readonly Field[], number: number): (number | bigint)[] {
  const values: (number | bigint)[] = [];
  for (const field of fields) {
    if (field.number !== number) continue;
    if (field.wireType !== 0) expectWire(field, 2);
    for (const value of decodeVarints(field.payload)) values.push(value);
  }
  return values;
}

/** The last field of this number, which is the one that counts where the schema says it is single. */
export function lastField(fields: readonly Field[], number: number): Field | undefined {
  return fields.findLast((field) => field.number === number);
}

/** Fields from a writer, for replacing others. */
export function writeFields(write: (writer: WireWriter) => void): Field[] {
  const writer = new WireWriter();
  write(writer);
  return scanFields(writer.finish());
}

/** `fields` with all of `number` replaced, at the place of the first of them, or at the end where there was none. */
export function replaceFields(fields: readonly Field[], number: number, replacement: readonly Field[]): Field[] {
  const first = fields.findIndex((field) => field.number === number);
  if (first < 0) return [...fields, ...replacement];
  const rest = fields.slice(first).filter((field) => field.number !== number);
  return [...fields.slice(0, first), ...replacement, ...rest];
}

export function byteLengthOf(fields: readonly Field[]): number {
  let bytes = 0;
  for (const field of fields) bytes += field.bytes.length;
  return bytes;
}

/** Tag and length of a nested message or of bytes that are written apart. */
export function writeHeader(number: number, byteLength: number): Uint8Array {
  const header: number[] = [];
  for (let rest of [number * 8 + 2, byteLength]) {
    for (; rest > 127; rest = Math.floor(rest / 128)) header.push((rest % 128) | 128);
    header.push(rest);
  }
  return Uint8Array.from(header);
}

/** A nested message as chunks: nothing in it is copied. */
export function wrapFields(number: number, fields: readonly Field[]): Uint8Array[] {
  return [writeHeader(number, byteLengthOf(fields)), ...fields.map((field) => field.bytes)];
}

/** Joined into one plain array: for small messages. */
export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    joined.set(chunk, offset);
    offset += chunk.length;
  }
  return joined;
}
