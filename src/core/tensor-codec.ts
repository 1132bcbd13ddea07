/**
 * Tensors as bytes and back, for whatever keeps them outside the heap: cache tiers, the prediction store, feature rows. Compact,
 * little endian, self-describing, bit for bit. Decoding treats its bytes as foreign: anything malformed is undefined, nothing
 * throws, and no more memory is taken than the bytes that are there account for.
 *
 * version u8 | tensors u16 | per tensor: datatype u8, rank u8, dimensions f64 each, data. Strings: per element a u32 length in bytes,
 * then UTF-8; text that is no valid Unicode has the top bit of the length set and stands as UTF-16.
 */
import {
  type Datatype,
  datatypes,
  elementBytes,
  elementCount,
  type Tensor,
  type TypedArray,
  viewBytes,
} from './tensor.ts';

const formatVersion = 1;
const headerBytes = 3;
const utf16Flag = 0x8000_0000;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const numbers = new Map<Datatype, number>(datatypes.map((datatype, index) => [datatype, index]));

/** @throws RangeError with more than 65535 tensors, more than 255 dimensions, or a string of 2 GiB. */
export function encodeTensors(tensors: readonly Tensor[]): Uint8Array<ArrayBuffer> {
  if (tensors.length > 0xffff) throw new RangeError('More than 65535 tensors.');
  const parts: Uint8Array[] = [];
  let size = headerBytes;
  for (const { data, shape } of tensors) {
    if (shape.length > 0xff) throw new RangeError('More than 255 dimensions.');
    const part = Array.isArray(data) ? encodeStrings(data) : bytesOf(data);
    parts.push(part);
    size += 2 + 8 * shape.length + part.byteLength;
  }
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes[0] = formatVersion;
  view.setUint16(1, tensors.length, true);
  let offset = headerBytes;
  for (let index = 0; index < tensors.length; index++) {
    const { datatype, shape } = tensors[index]!;
    bytes[offset++] = numbers.get(datatype)!;
    bytes[offset++] = shape.length;
    for (const dim of shape) {
      view.setFloat64(offset, dim, true);
      offset += 8;
    }
    bytes.set(parts[index]!, offset);
    offset += parts[index]!.byteLength;
  }
  return bytes;
}

/** Every tensor has its own memory; `bytes` may be used for something else afterwards. Undefined: malformed, or of another version. */
export function decodeTensors(bytes: Uint8Array): Tensor[] | undefined {
  if (bytes.byteLength < headerBytes || bytes[0] !== formatVersion) return undefined;
  const reader = new Reader(bytes, headerBytes);
  const count = bytes[1]! | (bytes[2]! << 8);
  const tensors: Tensor[] = [];
  for (let index = 0; index < count; index++) {
    const tensor = decodeTensor(reader);
    if (tensor === undefined) return undefined;
    tensors.push(tensor);
  }
  return reader.left === 0 ? tensors : undefined;
}

/** A view on the bytes of numbers, without a copy. */
export function bytesOf(data: TypedArray): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Injective: different lists of strings never give equal bytes. */
export function encodeStrings(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  const parts = texts.map((text) => (text.isWellFormed() ? encoder.encode(text) : utf16(text)));
  let size = 4 * parts.length;
  for (const part of parts) size += part.byteLength;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!;
    if (part.byteLength >= utf16Flag) throw new RangeError('A string of more than 2 GiB.');
    // TextEncoder would turn every unpaired surrogate into the same replacement character.
    view.setUint32(offset, texts[index]!.isWellFormed() ? part.byteLength : part.byteLength + utf16Flag, true);
    bytes.set(part, offset + 4);
    offset += 4 + part.byteLength;
  }
  return bytes;
}

function utf16(text: string): Uint8Array<ArrayBuffer> {
  const units = new Uint16Array(text.length);
  for (let index = 0; index < text.length; index++) units[index] = text.charCodeAt(index);
  return new Uint8Array(units.buffer);
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset: number;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#offset = offset;
  }

  get left(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  /** Whoever calls checks `left` first. */
  uint8(): number {
    return this.#bytes[this.#offset++]!;
  }

  uint32(): number {
    this.#offset += 4;
    return this.#view.getUint32(this.#offset - 4, true);
  }

  float64(): number {
    this.#offset += 8;
    return this.#view.getFloat64(this.#offset - 8, true);
  }

  /** A view. */
  take(size: number): Uint8Array {
    this.#offset += size;
    return this.#bytes.subarray(this.#offset - size, this.#offset);
  }
}

function decodeTensor(reader: Reader): Tensor | undefined {
  if (reader.left < 2) return undefined;
  const datatype = datatypes[reader.uint8()];
  const rank = reader.uint8();
  if (datatype === undefined || reader.left < 8 * rank) return undefined;
  const shape: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const dim = reader.float64();
    if (Object.is(dim, -0)) return undefined;
    shape.push(dim);
  }
  const count = elementCount(shape);
  if (count < 0) return undefined;
  if (datatype === 'string') {
    const data = decodeStrings(reader, count);
    return data === undefined ? undefined : { datatype, shape, data };
  }
  const size = count * elementBytes[datatype];
  if (size > reader.left) return undefined;
  const copy = new Uint8Array(reader.take(size));
  return { datatype, shape, data: viewBytes(datatype, copy.buffer, 0, size) };
}

function decodeStrings(reader: Reader, count: number): string[] | undefined {
  if (4 * count > reader.left) return undefined;
  const texts: string[] = [];
  for (let index = 0; index < count; index++) {
    if (reader.left < 4) return undefined;
    const length = reader.uint32();
    const size = length % utf16Flag;
    if (size > reader.left) return undefined;
    const text = length === size ? decodeUtf8(reader.take(size)) : decodeUtf16(reader.take(size));
    if (text === undefined) return undefined;
    texts.push(text);
  }
  return texts;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Only text that cannot stand as UTF-8 may stand so: one text has one encoding. */
function decodeUtf16(bytes: Uint8Array): string | undefined {
  if (bytes.byteLength % 2 !== 0) return undefined;
  let text = '';
  for (let offset = 0; offset < bytes.byteLength; offset += 2) {
    text += String.fromCharCode(bytes[offset]! | (bytes[offset + 1]! << 8));
  }
  return text.isWellFormed() ? undefined : text;
}
