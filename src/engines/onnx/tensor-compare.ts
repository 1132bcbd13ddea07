/**
 * When two answers count as the same, and cutting a joined answer into rows. Pure; used by the batch check.
 * Floats agree within rounding (kernels sum in another order for another batch), everything else exactly.
 */
import type { Tensor, TensorData } from '../../core/tensor.ts';
import { elementCount } from '../../core/tensor.ts';

/** Half floats carry 11 bits, so one unit in the last place is 1e-3. */
const tolerances = { float32: 1e-4, float64: 1e-4, float16: 4e-3 } as const;

/** Rounding of a sum grows with its largest terms, which may sit in a neighbouring element of the row. */
const rowTolerance = 1e-5;

/** Largest difference beyond the tolerance, as a fraction of it; 0 when all agree. NaN agrees with NaN. */
export function difference(a: Tensor, b: Tensor): number {
  if (a.data.length !== b.data.length) return Number.POSITIVE_INFINITY;
  const tolerance = tolerances[a.datatype as keyof typeof tolerances] as number | undefined;
  if (tolerance === undefined) return equalElements(a.data, b.data) ? 0 : Number.POSITIVE_INFINITY;
  const left = asNumbers(a);
  const right = asNumbers(b);
  let largest = 0;
  for (const value of right) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  let worst = 0;
  for (let index = 0; index < left.length; index++) {
    const x = left[index]!;
    const y = right[index]!;
    if (Object.is(x, y) || x === y) continue;
    if (!Number.isFinite(x) || !Number.isFinite(y)) return Number.POSITIVE_INFINITY;
    const allowed = tolerance * Math.max(1, Math.abs(y)) + rowTolerance * largest;
    const excess = Math.abs(x - y) / allowed;
    if (excess > 1) worst = Math.max(worst, excess);
  }
  return worst;
}

/** True when the two differ by more than rounding can explain, so that mixing them up would be noticed. */
export function clearlyDiffer(a: Tensor, b: Tensor): boolean {
  return difference(a, b) > 10;
}

/** Rows of a tensor along axis 0, each with first dimension 1. */
export function splitRows(tensor: Tensor): Tensor[] {
  const [rows = 0, ...rest] = tensor.shape;
  const size = elementCount(rest);
  return Array.from({ length: rows }, (_, row) => ({
    datatype: tensor.datatype,
    shape: [1, ...rest],
    data: tensor.data.slice(row * size, (row + 1) * size),
  }));
}

/** The tensors one under the other along axis 0; all have the same datatype and trailing shape. */
export function joinRows(rows: readonly Tensor[]): Tensor {
  const first = rows[0]!;
  const shape = [rows.reduce((sum, row) => sum + row.shape[0]!, 0), ...first.shape.slice(1)];
  if (Array.isArray(first.data)) {
    return { datatype: first.datatype, shape, data: rows.flatMap((row) => row.data as string[]) };
  }
  const parts = rows.map((row) => row.data as Exclude<TensorData, string[]>);
  const joined = new (first.data.constructor as Uint8ArrayConstructor)(
    parts.reduce((sum, part) => sum + part.length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    joined.set(part as Uint8Array, offset);
    offset += part.length;
  }
  return { datatype: first.datatype, shape, data: joined };
}

function equalElements(a: TensorData, b: TensorData): boolean {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

function asNumbers({ datatype, data }: Tensor): Float32Array | Float64Array {
  if (datatype !== 'float16') return data as Float32Array | Float64Array;
  return Float64Array.from(data as Uint16Array, halfToNumber);
}

/** IEEE 754 binary16 from its bits. */
export function halfToNumber(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}
