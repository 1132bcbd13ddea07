/**
 * IEEE 754 binary16 as 16-bit patterns, to and from numbers. Exact both ways: encoding rounds to nearest, ties to even,
 * straight from the double (no detour over float32, which would round twice). Used by every text codec; pure.
 */

const exponentMask = 0x7c00;

/** The 16-bit pattern nearest to `value`. NaN becomes the quiet NaN 0x7e00. */
export function toFloat16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (Number.isNaN(magnitude)) return 0x7e00;
  if (magnitude >= 65520) return sign | exponentMask;
  // Subnormals count units of 2^-24; the product is exact because it only moves the exponent.
  if (magnitude < 2 ** -14) return sign | roundToEven(magnitude * 2 ** 24);
  const exponent = binaryExponent(magnitude);
  // 1024..2047 units of 2^(exponent-10); a carry to 2048 falls into the next exponent by plain addition.
  const units = roundToEven(magnitude * 2 ** (10 - exponent));
  return sign | (((exponent + 14) << 10) + units);
}

/** The number a 16-bit pattern stands for. */
export function fromFloat16Bits(bits: number): number {
  const exponent = (bits & exponentMask) >> 10;
  const fraction = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest > 0.5 || (rest === 0.5 && floor % 2 === 1)) return floor + 1;
  return floor;
}

/** floor(log2(value)) for 2^-14 <= value < 2^16, exact where Math.log2 may be one off at powers of two. */
function binaryExponent(value: number): number {
  let exponent = Math.floor(Math.log2(value));
  if (2 ** exponent > value) exponent--;
  else if (2 ** (exponent + 1) <= value) exponent++;
  return exponent;
}
