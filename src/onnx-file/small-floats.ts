/**
 * The small floating point formats of models as ordinary numbers, by tables made on first use, and float16 back again.
 * Called by whatever reads or writes constants. Pure.
 */

const cell = new Float32Array(1);
const bits = new Uint32Array(cell.buffer);

/** One format: exponent and mantissa bits below the sign, and which patterns are no finite numbers. */
interface Format {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /** Whether the highest exponent means infinity and NaN, as in IEEE 754. */
  readonly ieee: boolean;
  /** The other patterns that are NaN. */
  readonly nans: readonly number[];
}

const formats = {
  float16: { exponentBits: 5, mantissaBits: 10, bias: 15, ieee: true, nans: [] },
  float8e4m3fn: { exponentBits: 4, mantissaBits: 3, bias: 7, ieee: false, nans: [0x7f, 0xff] },
  float8e4m3fnuz: { exponentBits: 4, mantissaBits: 3, bias: 8, ieee: false, nans: [0x80] },
  float8e5m2: { exponentBits: 5, mantissaBits: 2, bias: 15, ieee: true, nans: [] },
  float8e5m2fnuz: { exponentBits: 5, mantissaBits: 2, bias: 16, ieee: false, nans: [0x80] },
  float4e2m1: { exponentBits: 2, mantissaBits: 1, bias: 1, ieee: false, nans: [] },
} as const satisfies Record<string, Format>;

export type SmallFloat = keyof typeof formats;

const tables = new Map<SmallFloat, Float32Array>();

/** The number each bit pattern stands for, by pattern. */
export function smallFloatTable(name: SmallFloat): Float32Array {
  let table = tables.get(name);
  if (table === undefined) {
    const format: Format = formats[name];
    table = Float32Array.from({ length: 2 ** (1 + format.exponentBits + format.mantissaBits) }, (_, pattern) =>
      numberFor(pattern, format),
    );
    tables.set(name, table);
  }
  return table;
}

function numberFor(pattern: number, { exponentBits, mantissaBits, bias, ieee, nans }: Format): number {
  if (nans.includes(pattern)) return Number.NaN;
  const sign = pattern >> (exponentBits + mantissaBits) === 0 ? 1 : -1;
  const exponent = (pattern >> mantissaBits) & (2 ** exponentBits - 1);
  const mantissa = pattern & (2 ** mantissaBits - 1);
  if (ieee && exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
}

/** The upper half of a float32. */
export function bfloat16ToFloat(pattern: number): number {
  bits[0] = pattern << 16;
  return cell[0]!;
}

/** The pattern of the nearest float16, ties to even; beyond 65519 infinity. */
export function floatToHalf(value: number): number {
  cell[0] = value;
  const word = bits[0]!;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below the smallest normal, float32 addition of 0.5 leaves the rounded mantissa in the low bits.
  if (magnitude < 0x38800000) {
    cell[0] = Math.abs(cell[0]) + 0.5;
    return sign | (bits[0]! - 0x3f000000);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}
