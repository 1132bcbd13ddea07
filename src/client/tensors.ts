/**
 * Tensors of calls, checked before they are sent: which datatype an array has, and that it holds what its shape says.
 * Used by both clients. Must never copy an element.
 */
import type { Datatype } from '../core/tensor.ts';
import { wrongAnswer, wrongCall } from './client-error.ts';

/** Names of the Open Inference Protocol. */
export const oipNames = {
  float32: 'FP32',
  float64: 'FP64',
  float16: 'FP16',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  bool: 'BOOL',
  string: 'BYTES',
} as const satisfies Record<Datatype, string>;

const byOipName: ReadonlyMap<string, Datatype> = new Map(
  Object.entries(oipNames).map(([datatype, name]) => [name, datatype as Datatype]),
);

const classes = {
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
} as const satisfies Record<Exclude<Datatype, 'string'>, unknown>;

export type NumericData = InstanceType<(typeof classes)[keyof typeof classes]>;
export type AnyData = NumericData | readonly string[];

/** An input as callers give it, whatever its type says. */
export interface LooseInput {
  readonly datatype?: Datatype;
  readonly shape: readonly number[];
  readonly data: AnyData;
}

/** An input that is ready to be sent. */
export interface WireInput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: AnyData;
}

export interface AnyOutput {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: NumericData | string[];
}

/** By the name of the class and not by `instanceof`, so that arrays of other realms count too. */
const datatypeOfClass: Readonly<Record<string, Datatype>> = {
  Float32Array: 'float32',
  Float64Array: 'float64',
  Float16Array: 'float16',
  Int8Array: 'int8',
  Int16Array: 'int16',
  Int32Array: 'int32',
  BigInt64Array: 'int64',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8',
  Uint16Array: 'uint16',
  Uint32Array: 'uint32',
  BigUint64Array: 'uint64',
};

/** Our name for a datatype of the wire. @throws INVALID_RESPONSE. */
export function datatypeOf(oipName: string): Datatype {
  const datatype = byOipName.get(oipName);
  if (datatype === undefined) throw wrongAnswer(`The server answered a tensor of the unknown datatype ${oipName}.`);
  return datatype;
}

/** @throws INVALID_INPUT naming the input. */
export function toWireInput(name: string, input: LooseInput): WireInput {
  const { shape, data } = input;
  const own = Array.isArray(data) ? 'string' : datatypeOfClass[(data as object)[Symbol.toStringTag as never]];
  const field = `inputs.${name}`;
  if (own === undefined) throw wrongCall(`${field}.data`, 'expected a typed array or a list of strings');
  const datatype = input.datatype ?? own;
  if (datatype !== own && !isAlias(datatype, own)) {
    throw wrongCall(`${field}.data`, `expected an array for ${datatype}, got one for ${own}`);
  }
  const count = countOf(shape);
  if (count !== data.length) {
    throw wrongCall(
      `${field}.data`,
      `expected ${count} elements for the shape [${shape.join(', ')}], got ${data.length}`,
    );
  }
  return { name, datatype, shape, data };
}

/** Bool and float16 travel in arrays of unsigned integers. */
function isAlias(datatype: Datatype, own: Datatype): boolean {
  return (datatype === 'bool' && own === 'uint8') || (datatype === 'float16' && own === 'uint16');
}

function countOf(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
}

/** The memory of an array; little-endian, as every machine that runs JavaScript today. */
export function bytesOf(data: NumericData): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

export function elementBytesOf(datatype: Datatype): number {
  return datatype === 'string' ? 1 : classes[datatype].BYTES_PER_ELEMENT;
}

/** A typed view of `bytes`, which are copied only where they are not aligned. @throws INVALID_RESPONSE on a wrong length. */
export function viewOf(
  name: string,
  datatype: Exclude<Datatype, 'string'>,
  shape: readonly number[],
  bytes: Uint8Array,
): NumericData {
  const size = elementBytesOf(datatype);
  const count = countOf(shape);
  if (bytes.byteLength !== count * size) {
    throw wrongAnswer(`The output ${name} has ${bytes.byteLength} bytes; its shape needs ${count * size}.`);
  }
  // Not bytes.slice(): that of a Buffer copies nothing.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return new classes[datatype](aligned.buffer as ArrayBuffer, aligned.byteOffset, count);
}

/** A zeroed array for the elements of `shape`. */
export function arrayFor(datatype: Exclude<Datatype, 'string'>, shape: readonly number[]): NumericData {
  return new classes[datatype](countOf(shape));
}

/** @throws INVALID_RESPONSE when there are not as many elements as the shape says. */
export function checkCount(name: string, shape: readonly number[], count: number): void {
  if (count === countOf(shape)) return;
  throw wrongAnswer(`The output ${name} has ${count} elements; its shape needs ${countOf(shape)}.`);
}
