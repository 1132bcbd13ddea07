/**
 * Which answers are the same. A key is an injective encoding of everything an answer depends on: model, version, content, the names
 * and datatypes of the inputs, and a row's shape and bytes. What it does not depend on is not in it: ids, deadlines, priority, and
 * the outputs asked for, because all outputs are kept. Used by the cached runner; pure, but for one scratch buffer per process.
 *
 * Row: per input datatype u8, rank u8, dimensions (one byte, or 255 and f64), zeros up to a multiple of 8, data. Every part tells its
 * own length, so no two rows share an encoding. Up to 1 KiB the encoding is the memory key; above, a keyed 128-bit hash of it.
 */
import { type Datatype, datatypes, elementBytes, type Tensor, type TensorSpec, type TypedArray } from '../tensor.ts';
import { encodeStrings } from '../tensor-codec.ts';
import type { KeyDigest } from './key-digest.ts';

export interface KeyspaceIdentity {
  readonly model: string;
  readonly version: string;
  /** Of the file and of everything in the configuration that changes answers. */
  readonly contentHash: string;
  readonly inputs: readonly TensorSpec[];
  /** True: one key per row, along axis 0 of every input. False: one per request. */
  readonly rowwise: boolean;
}

/** Marks keys of answers among everything that shares the memory tier. */
const answerMark = 1;
export const answerPrefix = String.fromCharCode(answerMark);
const prefixBytes = 5;
export const memoryPrefixLength = prefixBytes;
const exactBytes = 1024;
/** Above the exact limit only the encoding without the data is written here, so this bounds the number and rank of inputs. */
const scratch = new Uint8Array(exactBytes + prefixBytes + 16);
const wideDimension = new Float64Array(1);
const wideDimensionBytes = new Uint8Array(wideDimension.buffer);
/** Below this many elements a loop beats the set-up of a native copy. */
const smallCopy = 48;
/** Part of every far key: a change of the encoding above or of the values must change it. */
const formatVersion = 'hotpath-cache-1';
const maxNameLength = 160;

const typeNumbers = Object.fromEntries(datatypes.map((name, index) => [name, index])) as Record<Datatype, number>;

/** The same memory under every element type, so that small rows are copied without making a view of them. */
const scratchAs = {
  float32: new Float32Array(scratch.buffer, 0, scratch.length >> 2),
  float64: new Float64Array(scratch.buffer, 0, scratch.length >> 3),
  float16: new Uint16Array(scratch.buffer, 0, scratch.length >> 1),
  int8: new Int8Array(scratch.buffer),
  int16: new Int16Array(scratch.buffer, 0, scratch.length >> 1),
  int32: new Int32Array(scratch.buffer, 0, scratch.length >> 2),
  int64: new BigInt64Array(scratch.buffer, 0, scratch.length >> 3),
  uint8: scratch,
  uint16: new Uint16Array(scratch.buffer, 0, scratch.length >> 1),
  uint32: new Uint32Array(scratch.buffer, 0, scratch.length >> 2),
  uint64: new BigUint64Array(scratch.buffer, 0, scratch.length >> 3),
  bool: scratch,
} as const;

export class Keyspace {
  readonly identity: KeyspaceIdentity;
  /** Of all memory keys of this keyspace and of no others. */
  readonly memoryPrefix: string;
  /** Of all far keys with this content. */
  readonly farPrefix: string;
  readonly #digest: KeyDigest;
  readonly #id: number;
  readonly #firstAxis: 0 | 1;
  readonly #identityBytes: Uint8Array;

  /** `id` stands for `identity` in this process, below 2^32; never given to another identity. */
  constructor(identity: KeyspaceIdentity, id: number, digest: KeyDigest) {
    this.identity = identity;
    this.#id = id;
    this.#digest = digest;
    this.#firstAxis = identity.rowwise ? 1 : 0;
    const { model, version, contentHash, inputs, rowwise } = identity;
    const signature = inputs.flatMap(({ name, datatype }) => [name, datatype]);
    const scope = rowwise ? 'row' : 'request';
    this.#identityBytes = encodeStrings([formatVersion, scope, model, version, contentHash, ...signature]);
    this.farPrefix = contentPrefix(model, version, contentHash, digest);
    this.#writePrefix();
    this.memoryPrefix = digest.text(scratch, prefixBytes);
  }

  /** `row` counts along axis 0; 0 for whole requests. `inputs` are in the signature's order. */
  memoryKey(inputs: readonly Tensor[], row: number): string {
    this.#writePrefix();
    const end = this.#writeRow(inputs, row);
    if (end > 0) return this.#digest.text(scratch, end);
    // No exact key has this many characters and this first one: an encoding begins with a datatype.
    return `${this.memoryPrefix}\xff${this.#digest.keyed(this.#rowParts(inputs, row))}`;
  }

  /** `<model>/<version>/<content>:<digest>`: the same in every process. */
  farKey(inputs: readonly Tensor[], row: number): string {
    const parts = this.#rowParts(inputs, row);
    parts.unshift(this.#identityBytes);
    return `${this.farPrefix}${this.#digest.sha256(parts, 'base64url')}`;
  }

  #writePrefix(): void {
    const id = this.#id;
    scratch[0] = answerMark;
    scratch[1] = id >>> 24;
    scratch[2] = id >>> 16;
    scratch[3] = id >>> 8;
    scratch[4] = id;
  }

  /** The encoding in the scratch buffer, from `prefixBytes` on. Returns its end; 0 when it does not fit. */
  #writeRow(inputs: readonly Tensor[], row: number): number {
    const firstAxis = this.#firstAxis;
    let offset = prefixBytes;
    for (let index = 0; index < inputs.length; index++) {
      const { datatype, shape, data } = inputs[index]!;
      const rank = shape.length;
      if (offset + 2 + 9 * rank + 8 > exactBytes) return 0;
      offset = writeHeader(scratch, offset, datatype, shape, firstAxis);
      while ((offset & 7) !== 0) scratch[offset++] = 0;
      const count = innerCount(shape, firstAxis);
      if (Array.isArray(data)) {
        const end = writeStrings(data, row * count, count, offset);
        if (end === 0) return 0;
        offset = end;
        continue;
      }
      const size = count * elementBytes[datatype];
      if (offset + size > exactBytes) return 0;
      copyNumbers(datatype, data, row * count, count, offset);
      offset += size;
    }
    return offset;
  }

  /** The same parts in the same order, of any size, the numbers as views. */
  #rowParts(inputs: readonly Tensor[], row: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    for (const { datatype, shape, data } of inputs) {
      const header = new Uint8Array(2 + 9 * shape.length);
      parts.push(header.subarray(0, writeHeader(header, 0, datatype, shape, this.#firstAxis)));
      const count = innerCount(shape, this.#firstAxis);
      if (Array.isArray(data)) {
        parts.push(encodeStrings(data.slice(row * count, (row + 1) * count)));
      } else {
        const size = count * data.BYTES_PER_ELEMENT;
        parts.push(new Uint8Array(data.buffer, data.byteOffset + row * size, size));
      }
    }
    return parts;
  }
}

/** Of all far keys of a model, or of one version of it. */
export function farPrefixOf(model: string, version: string | undefined, digest: KeyDigest): string {
  const name = farName(model, digest);
  return version === undefined ? `${name}/` : `${name}/${escapeName(version)}/`;
}

export function contentPrefix(model: string, version: string, contentHash: string, digest: KeyDigest): string {
  const content = digest.sha256([encodeStrings([contentHash])], 'hex').slice(0, 16);
  return `${farPrefixOf(model, version, digest)}${content}:`;
}

/** Of all far keys of models whose names begin with `start`; may take in others with a long name. */
export function farNamePrefix(start: string): string {
  return escapeName(start).slice(0, maxNameLength / 2);
}

/** Neither `/`, `:`, `*` nor `~` stays, so a name ends where it seems to end. */
export function escapeName(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replace(/[!'()*~]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`);
}

/** Folder names of 255 letters may have 2295 characters when escaped; a key may have 512. */
function farName(model: string, digest: KeyDigest): string {
  const name = escapeName(model);
  if (name.length <= maxNameLength) return name;
  return `${name.slice(0, maxNameLength / 2)}~${digest.sha256([encodeStrings([model])], 'hex').slice(0, 32)}`;
}

function innerCount(shape: readonly number[], firstAxis: number): number {
  let count = 1;
  for (let axis = firstAxis; axis < shape.length; axis++) count *= shape[axis]!;
  return count;
}

function writeHeader(
  target: Uint8Array,
  offset: number,
  datatype: Datatype,
  shape: readonly number[],
  firstAxis: number,
): number {
  target[offset++] = typeNumbers[datatype];
  target[offset++] = shape.length;
  for (let axis = firstAxis; axis < shape.length; axis++) {
    const dim = shape[axis]!;
    if (dim < 255) {
      target[offset++] = dim;
      continue;
    }
    target[offset++] = 255;
    wideDimension[0] = dim;
    target.set(wideDimensionBytes, offset);
    offset += 8;
  }
  return offset;
}

/** `offset` is a multiple of 8. */
function copyNumbers(
  datatype: Exclude<Datatype, 'string'> | Datatype,
  data: TypedArray,
  from: number,
  count: number,
  offset: number,
): void {
  const target = scratchAs[datatype as 'float32'];
  const source = data as Float32Array;
  const to = offset / source.BYTES_PER_ELEMENT;
  if (count <= smallCopy) {
    let index = 0;
    for (; index < count; index++) {
      const value = source[from + index]!;
      // A NaN that passes through a variable may lose its bits.
      if (Number.isNaN(value)) break;
      target[to + index] = value;
    }
    if (index === count) return;
  }
  target.set(from === 0 && count === source.length ? source : source.subarray(from, from + count), to);
}

/** Returns the end; 0 when it does not fit. */
function writeStrings(texts: readonly string[], from: number, count: number, offset: number): number {
  let units = 0;
  for (let index = from; index < from + count; index++) units += 4 + texts[index]!.length;
  if (offset + units > exactBytes) return 0;
  const bytes = encodeStrings(from === 0 && count === texts.length ? texts : texts.slice(from, from + count));
  if (offset + bytes.byteLength > exactBytes) return 0;
  scratch.set(bytes, offset);
  return offset + bytes.byteLength;
}
