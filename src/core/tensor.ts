/**
 * Tensors as the whole server sees them: a datatype, a shape, and row-major data in one typed array.
 * float16 travels as its 16-bit patterns (Uint16Array), bool as bytes 0/1, 64-bit integers as BigInt arrays, strings as string[].
 * Pure data; who holds a tensor owns its buffer, and handing it to an engine gives the buffer away.
 */

export type Datatype =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool'
  | 'string';

export type NumericArray =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>;

export type BigIntArray = BigInt64Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>;

export type TypedArray = NumericArray | BigIntArray;

export type TensorData = TypedArray | string[];

export interface Tensor {
  readonly datatype: Datatype;
  /** Row-major dimensions; `[]` is a scalar, a 0 anywhere makes the tensor empty. */
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export interface NamedTensor extends Tensor {
  readonly name: string;
}

/** What a model says of one of its tensors. A dimension of -1 is variable. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Names of outputs that are no tensors (ZipMap, sequences, optionals): never fetched. */
  readonly skippedOutputs: readonly string[];
}

export const datatypes = [
  'float32',
  'float64',
  'float16',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
  'string',
] as const satisfies readonly Datatype[];

/** Bytes of one element; 0 for strings, whose size depends on the value. */
export const elementBytes = {
  float32: 4,
  float64: 8,
  float16: 2,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
  string: 0,
} as const satisfies Record<Datatype, number>;

const constructors = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** A zeroed array for `count` elements (empty strings for `string`). */
export function allocate(datatype: Datatype, count: number): TensorData {
  if (datatype === 'string') return new Array<string>(count).fill('');
  return new constructors[datatype](count);
}

/**
 * A typed view of raw little-endian bytes, without a copy where alignment allows.
 * @throws RangeError when the bytes are no whole number of elements; callers check the length first.
 */
export function viewBytes(
  datatype: Exclude<Datatype, 'string'>,
  buffer: ArrayBuffer,
  byteOffset: number,
  byteLength: number,
): TypedArray {
  const size = elementBytes[datatype];
  if (byteOffset % size !== 0) {
    return new constructors[datatype](buffer.slice(byteOffset, byteOffset + byteLength));
  }
  return new constructors[datatype](buffer, byteOffset, byteLength / size);
}

/**
 * Number of elements in `shape`, or -1 if a dimension is no non-negative safe integer or the product is not safe.
 * Zero dimensions are looked at last, so `[0, 2**40, 2**40]` is refused and not quietly empty.
 */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  let empty = false;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) return -1;
    if (dim === 0) {
      empty = true;
      continue;
    }
    count *= dim;
    if (count > Number.MAX_SAFE_INTEGER) return -1;
  }
  return empty ? 0 : count;
}

/** Bytes the tensor's data occupies; strings count their UTF-16 units plus a pointer each. */
export function tensorBytes(tensor: Tensor): number {
  const { data } = tensor;
  if (!Array.isArray(data)) return data.byteLength;
  let bytes = 0;
  for (const text of data) bytes += 8 + 2 * text.length;
  return bytes;
}

/** Whether a tensor of `shape` may stand where `pattern` is declared; -1 takes any size. */
export function fitsPattern(shape: readonly number[], pattern: readonly number[]): boolean {
  if (shape.length !== pattern.length) return false;
  for (let axis = 0; axis < shape.length; axis++) {
    if (pattern[axis] !== -1 && pattern[axis] !== shape[axis]) return false;
  }
  return true;
}

/** `[?, 3, 224, 224]`: a shape for people, -1 as `?`. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.map((dim) => (dim < 0 ? '?' : dim)).join(', ')}]`;
}
