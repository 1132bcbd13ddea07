/**
 * What a constant tensor of ONNX may be made of: the datatypes of requests, and those that live only inside models.
 * Called by the codec and by the optimizer. Data only.
 */
import type { Datatype } from '../core/tensor.ts';
import { elementBytes } from '../core/tensor.ts';

/** Types that no request or answer can have. Two or four elements of the 4-bit and 2-bit ones share a byte, low bits first. */
export type ModelOnlyType =
  | 'complex64'
  | 'complex128'
  | 'bfloat16'
  | 'float8e4m3fn'
  | 'float8e4m3fnuz'
  | 'float8e5m2'
  | 'float8e5m2fnuz'
  | 'uint4'
  | 'int4'
  | 'float4e2m1'
  | 'float8e8m0'
  | 'uint2'
  | 'int2';

export type ElementType = Datatype | ModelOnlyType;

/** Bits of one element; 0 for strings. */
export const elementBits: Readonly<Record<ElementType, number>> = {
  ...(Object.fromEntries(Object.entries(elementBytes).map(([name, bytes]) => [name, bytes * 8])) as Record<
    Datatype,
    number
  >),
  complex64: 64,
  complex128: 128,
  bfloat16: 16,
  float8e4m3fn: 8,
  float8e4m3fnuz: 8,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  uint4: 4,
  int4: 4,
  float4e2m1: 4,
  float8e8m0: 8,
  uint2: 2,
  int2: 2,
};

/** Bytes of `count` elements as raw data; the last byte of a 4-bit tensor may be half used. */
export function rawBytes(type: ElementType, count: number): number {
  return Math.ceil((count * elementBits[type]) / 8);
}
