/**
 * One list of scalars into a typed array: the inner loop of every text decoder, one check per element and no allocation
 * while the values are right. Returns the index of the first value that does not fit, so that the caller builds a field path
 * only for an error.
 */
import type { Datatype, TensorData } from '../../core/tensor.ts';
import { toFloat16Bits } from './float16.ts';

/** Doubles from here on round to infinity as float32. */
const float32Limit = 3.4028235677973366e38;
const float16Limit = 65520;

const integerRanges = {
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
  uint8: [0, 255],
  uint16: [0, 65535],
  uint32: [0, 4294967295],
} as const;

/** Writes `values` from `offset` on. Returns -1, or the index in `values` of the first that is wrong. */
export function fillLeaves(
  datatype: Datatype,
  into: TensorData,
  offset: number,
  values: ArrayLike<unknown>,
  allowNonFinite: boolean,
): number {
  switch (datatype) {
    case 'float32':
      return fillFloats(into as Float32Array, offset, values, float32Limit, allowNonFinite);
    case 'float64':
      return fillFloats(into as Float64Array, offset, values, Number.POSITIVE_INFINITY, allowNonFinite);
    case 'float16':
      return fillFloat16(into as Uint16Array, offset, values, allowNonFinite);
    case 'int64':
      return fillBigInts(into as BigInt64Array, offset, values, -(2n ** 63n), 2n ** 63n - 1n);
    case 'uint64':
      return fillBigInts(into as BigUint64Array, offset, values, 0n, 2n ** 64n - 1n);
    case 'bool':
      return fillBooleans(into as Uint8Array, offset, values);
    case 'string':
      return fillStrings(into as string[], offset, values);
    default:
      return fillIntegers(into as Int32Array, offset, values, integerRanges[datatype]);
  }
}

function fillFloats(
  into: Float32Array | Float64Array,
  offset: number,
  values: ArrayLike<unknown>,
  limit: number,
  allowNonFinite: boolean,
): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    // NaN fails both comparisons.
    if (typeof value === 'number' && value < limit && value > -limit) into[offset + i] = value;
    else {
      const odd = oddFloat(value, limit, allowNonFinite);
      if (odd === undefined) return i;
      into[offset + i] = odd;
    }
  }
  return -1;
}

function fillFloat16(into: Uint16Array, offset: number, values: ArrayLike<unknown>, allowNonFinite: boolean): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value === 'number' && value < float16Limit && value > -float16Limit) {
      into[offset + i] = toFloat16Bits(value);
    } else {
      const odd = oddFloat(value, float16Limit, allowNonFinite);
      if (odd === undefined) return i;
      into[offset + i] = toFloat16Bits(odd);
    }
  }
  return -1;
}

/** Big integers of MessagePack, and the spellings of NaN and infinity where the model allows them. */
function oddFloat(value: unknown, limit: number, allowNonFinite: boolean): number | undefined {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Math.abs(number) < limit ? number : undefined;
  }
  if (!allowNonFinite) return undefined;
  if (value === null || value === 'NaN') return Number.NaN;
  if (value === 'Infinity') return Number.POSITIVE_INFINITY;
  if (value === '-Infinity') return Number.NEGATIVE_INFINITY;
  return typeof value === 'number' && !Number.isFinite(value) ? value : undefined;
}

function fillIntegers(
  into: Int32Array,
  offset: number,
  values: ArrayLike<unknown>,
  range: readonly [number, number],
): number {
  const [low, high] = range;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) return i;
    into[offset + i] = value;
  }
  return -1;
}

/** Safe integers, decimal strings and bigints; an unsafe JSON number may already have lost its last digits. */
function fillBigInts(
  into: BigInt64Array | BigUint64Array,
  offset: number,
  values: ArrayLike<unknown>,
  low: bigint,
  high: bigint,
): number {
  for (let i = 0; i < values.length; i++) {
    const value = toBigInt(values[i]);
    if (value === undefined || value < low || value > high) return i;
    into[offset + i] = value;
  }
  return -1;
}

function toBigInt(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value === 'bigint') return value;
  if (typeof value === 'string' && value.length <= 20 && /^-?\d+$/.test(value)) return BigInt(value);
  return undefined;
}

function fillBooleans(into: Uint8Array, offset: number, values: ArrayLike<unknown>): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === true || value === 1) into[offset + i] = 1;
    else if (value === false || value === 0) into[offset + i] = 0;
    else return i;
  }
  return -1;
}

function fillStrings(into: string[], offset: number, values: ArrayLike<unknown>): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== 'string') return i;
    into[offset + i] = value;
  }
  return -1;
}
