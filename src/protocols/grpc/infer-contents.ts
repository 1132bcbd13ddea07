/**
 * InferTensorContents to typed arrays: packed floats by one copy, varints straight into their array, bytes as views.
 * Used by infer-request.ts, one per input that has typed contents. What datatype the elements must fit is checked later, by whoever
 * knows the model.
 */
import { invalidInput } from '../../core/errors.ts';
import type { TypedArray } from '../../core/tensor.ts';
import type { OipContents } from '../oip/request.ts';
import { type WireReader, wireTypes } from './wire-reader.ts';

/** Each element of bytes_contents is an object here and two bytes on the wire; more of them must come raw. */
const maxTypedBytesElements = 1 << 20;

const arrays = [
  undefined,
  Uint8Array,
  Int32Array,
  BigInt64Array,
  Uint32Array,
  BigUint64Array,
  Float32Array,
  Float64Array,
] as const;

const fieldNames = [
  '',
  'bool_contents',
  'int_contents',
  'int64_contents',
  'uint_contents',
  'uint64_contents',
  'fp32_contents',
  'fp64_contents',
  'bytes_contents',
] as const;

/** Which field holds the elements of a datatype, for contents without any element. */
const emptyFields: Readonly<Record<string, number>> = {
  BOOL: 1,
  INT8: 2,
  INT16: 2,
  INT32: 2,
  INT64: 3,
  UINT8: 4,
  UINT16: 4,
  UINT32: 4,
  UINT64: 5,
  FP32: 6,
  FP64: 7,
  BYTES: 8,
};

const bytesField = 8;

export class ContentsReader {
  readonly #index: number;
  #field = 0;
  #values: TypedArray | undefined;
  /** 32-bit words of `#values` where its elements have 64 bits: no BigInt is made per element. */
  #words: Uint32Array | undefined;
  #count = 0;
  #elements: Uint8Array[] | undefined;

  /** `index` of the input, for messages. */
  constructor(index: number) {
    this.#index = index;
  }

  /** Reads one contents message, to which `reader` has been limited. Called again when the field comes twice: elements add up. */
  read(reader: WireReader): void {
    while (reader.pos < reader.end) {
      const field = reader.tag();
      if (field > bytesField) reader.skip();
      else this.#readField(reader, field);
    }
  }

  finish(datatype: string): OipContents {
    if (this.#elements !== undefined) return { kind: 'typed', values: this.#elements };
    if (this.#values === undefined) return emptyContents(datatype);
    const whole = this.#values.length === this.#count;
    return { kind: 'typed', values: whole ? this.#values : this.#values.slice(0, this.#count) };
  }

  #readField(reader: WireReader, field: number): void {
    const name = fieldNames[field]!;
    const packed = reader.wireType === wireTypes.bytes;
    const length = packed ? reader.length(name) : 0;
    if (packed && length === 0 && field !== bytesField) return;
    this.#take(field);
    if (field === bytesField) this.#readBytes(reader, length);
    else if (field >= 6) this.#readFixed(reader, field, packed ? length : -1);
    else this.#readVarints(reader, field, packed ? length : -1);
  }

  /** An input has one kind of element. */
  #take(field: number): void {
    if (this.#field === field) return;
    if (this.#field !== 0) {
      const both = `${fieldNames[this.#field]} and ${fieldNames[field]}`;
      const path = `inputs[${this.#index}].contents`;
      throw invalidInput(path, `${path}: has both ${both}; one is expected.`, 'one kind of contents');
    }
    this.#field = field;
  }

  #readBytes(reader: WireReader, length: number): void {
    reader.expect(wireTypes.bytes, 'bytes_contents');
    this.#elements ??= [];
    if (this.#elements.length >= maxTypedBytesElements) {
      const path = `inputs[${this.#index}].contents.bytes_contents`;
      const expected = `at most ${maxTypedBytesElements} elements, or raw_input_contents`;
      throw invalidInput(path, `${path}: has too many elements; expected ${expected}.`, expected);
    }
    const start = reader.pos;
    reader.skipBytes(length);
    this.#elements.push(reader.buffer.subarray(start, reader.pos));
  }

  /** `packedBytes` is -1 for a single element. */
  #readFixed(reader: WireReader, field: number, packedBytes: number): void {
    const size = field === 6 ? 4 : 8;
    if (packedBytes < 0) reader.expect(size === 4 ? wireTypes.fixed32 : wireTypes.fixed64, fieldNames[field]!);
    const bytes = packedBytes < 0 ? size : packedBytes;
    if (bytes % size !== 0) throw reader.malformed(`${fieldNames[field]} is no whole number of elements`);
    const start = reader.pos;
    reader.skipBytes(bytes);
    if (this.#values === undefined) {
      this.#values = copyFixed(reader.buffer, start, bytes, size);
      this.#count = bytes / size;
      return;
    }
    const at = this.#reserve(field, bytes / size);
    const { buffer, byteOffset } = this.#values!;
    new Uint8Array(buffer, byteOffset + at * size, bytes).set(reader.buffer.subarray(start, reader.pos));
  }

  #readVarints(reader: WireReader, field: number, packedBytes: number): void {
    const name = fieldNames[field]!;
    if (packedBytes < 0) reader.expect(wireTypes.varint, name);
    const end = packedBytes < 0 ? -1 : reader.pos + packedBytes;
    const count = end < 0 ? 1 : countVarints(reader, end);
    let at = this.#reserve(field, count);
    const outer = reader.end;
    if (end >= 0) reader.end = end;
    for (let done = 0; done < count; done++) {
      reader.varint64(name);
      this.#store(field, at++, reader.low, reader.high);
    }
    if (reader.pos !== end && end >= 0) throw reader.malformed(`${name} ends within an element`);
    reader.end = outer;
  }

  #store(field: number, at: number, low: number, high: number): void {
    if (this.#words !== undefined) {
      this.#words[2 * at] = low;
      this.#words[2 * at + 1] = high;
    } else if (field === 1) this.#values![at] = low !== 0 || high !== 0 ? 1 : 0;
    else this.#values![at] = low;
  }

  /** Makes room for `count` more elements; returns the index of the first. */
  #reserve(field: number, count: number): number {
    const at = this.#count;
    const needed = at + count;
    this.#count = needed;
    const values = this.#values;
    if (values !== undefined && needed <= values.length) return at;
    // Exactly what the first packed run needs; twice as much whenever that was not all.
    const grown = new arrays[field]!(values === undefined ? needed : Math.max(needed, 2 * values.length));
    if (values !== undefined) grown.set(values as Float32Array & BigInt64Array);
    this.#values = grown;
    if (grown instanceof BigInt64Array || grown instanceof BigUint64Array) this.#words = new Uint32Array(grown.buffer);
    return at;
  }
}

/** Up to here memory comes from node's pool: an ArrayBuffer of its own costs more than the copy. */
const maxPooledBytes = 1024;

/**
 * Nearly always the only run there is. Neither way zeroes memory that is overwritten at once. The pool is shared, which is safe as
 * the tensors of a request are only ever read: rows are copied into their batch.
 */
function copyFixed(message: Buffer, start: number, bytes: number, size: number): TypedArray {
  if (bytes <= maxPooledBytes) {
    const copy = Buffer.allocUnsafe(bytes);
    message.copy(copy, 0, start, start + bytes);
    return floatsAt(copy.buffer as ArrayBuffer, copy.byteOffset, bytes, size);
  }
  const from = message.byteOffset + start;
  return floatsAt((message.buffer as ArrayBuffer).slice(from, from + bytes), 0, bytes, size);
}

/** The pool gives offsets that are multiples of eight. */
function floatsAt(buffer: ArrayBuffer, offset: number, bytes: number, size: number): TypedArray {
  return size === 4 ? new Float32Array(buffer, offset, bytes / 4) : new Float64Array(buffer, offset, bytes / 8);
}

/** What an input without contents and without raw bytes holds: no element, of the kind its datatype asks for. */
export function emptyContents(datatype: string): OipContents {
  const field = Object.hasOwn(emptyFields, datatype) ? emptyFields[datatype]! : 0;
  if (field === bytesField) return { kind: 'typed', values: [] };
  if (field === 0) return { kind: 'raw', bytes: new Uint8Array(0) };
  return { kind: 'typed', values: new arrays[field]!(0) };
}

/** Every varint ends with a byte below 128. */
function countVarints({ buffer, pos }: WireReader, end: number): number {
  let count = 0;
  for (let index = pos; index < end; index++) if (buffer[index]! < 0x80) count++;
  return count;
}
