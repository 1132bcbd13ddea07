/**
 * Scales and zero points for uniform quantization, and tensors with one of them: real = scale * (quantized - zeroPoint).
 * Called by the quantizing passes and by calibration. Scales are float32 numbers, as models store them, so that what is
 * quantized here is what the runtime dequantizes. Pure.
 */
import { clamp, roundHalfEven } from './round.ts';

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Whole numbers that the quantized type may take. */
export interface Levels {
  readonly low: number;
  readonly high: number;
}

export interface Affine {
  /** A float32 number above 0. */
  readonly scale: number;
  readonly zeroPoint: number;
}

export const uint8Levels: Levels = { low: 0, high: 255 };
/** Symmetric: without -128, so that a weight and its negative have the same distance from 0. */
export const int8Levels: Levels = { low: -127, high: 127 };
/** 7 bits and a half: two products with uint8 fit into the 16 bits that processors without VNNI add in. */
export const reducedInt8Levels: Levels = { low: -64, high: 64 };

/** Below this a scale loses bits as a subnormal, and its products with others vanish. */
const smallestScale = 1e-30;

/** Also for constants that are all zero: any scale is right then, and 1 is safe. */
function usableScale(scale: number): number {
  const single = Math.fround(scale);
  return single >= smallestScale && single < Number.POSITIVE_INFINITY ? single : 1;
}

/** Covers the range and 0, which padding and Relu need exact. */
export function asymmetric({ min, max }: Range, { low, high }: Levels = uint8Levels): Affine {
  const [bottom, top] = [Math.min(min, 0), Math.max(max, 0)];
  const scale = usableScale((top - bottom) / (high - low));
  return { scale, zeroPoint: clamp(roundHalfEven(low - bottom / scale), low, high) };
}

/** Zero point 0; covers -absMax to absMax. */
export function symmetric(absMax: number, { high }: Levels = int8Levels): Affine {
  return { scale: usableScale(absMax / high), zeroPoint: 0 };
}

/** The real numbers that the levels stand for at the ends. */
export function coveredRange({ scale, zeroPoint }: Affine, { low, high }: Levels = uint8Levels): Range {
  return { min: (low - zeroPoint) * scale, max: (high - zeroPoint) * scale };
}

/** One number, as the runtime's QuantizeLinear makes it (division in float32). */
export function quantizeNumber(value: number, { scale, zeroPoint }: Affine, { low, high }: Levels): number {
  return clamp(roundHalfEven(Math.fround(value / scale)) + zeroPoint, low, high);
}

/** Into `out`, which is an Int8Array, Uint8Array or Int32Array that holds the levels. */
export function quantizeInto<Out extends Int8Array | Uint8Array | Int32Array>(
  values: ArrayLike<number>,
  { scale, zeroPoint }: Affine,
  { low, high }: Levels,
  out: Out,
): Out {
  for (let i = 0; i < values.length; i++) {
    out[i] = clamp(roundHalfEven(Math.fround(values[i]! / scale)) + zeroPoint, low, high);
  }
  return out;
}

export function dequantize(values: ArrayLike<number>, { scale, zeroPoint }: Affine): Float32Array<ArrayBuffer> {
  const reals = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) reals[i] = (values[i]! - zeroPoint) * scale;
  return reals;
}

/** Smallest and largest; 0 and 0 of nothing. NaN is passed over: see `firstNotFinite`. */
export function rangeOf(values: ArrayLike<number>): Range {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min <= max ? { min, max } : { min: 0, max: 0 };
}

/** Index of the first NaN or infinity, -1 without one. */
export function firstNotFinite(values: ArrayLike<number>): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i]!)) return i;
  return -1;
}
