/**
 * Numbers as short JSON text. A float32 printed as the double it widens to has up to 17 digits (0.1 -> 0.10000000149011612);
 * printed here with the decimals that read back to the same float32, which is exact, half as long and faster to print.
 */
import { fromFloat16Bits } from './float16.ts';

/** JSON text of a float32, -0 as "-0.0" because many parsers read "-0" as an integer; NaN and infinities as the strings "NaN", "Infinity", "-Infinity". */
export function float32Text(value: number): string {
  if (Number.isInteger(value)) return Object.is(value, -0) ? '-0.0' : String(value);
  if (value - value !== 0) return `"${value}"`;
  const seven = Math.round(value * 1e7) / 1e7;
  if (Math.fround(seven) === value) return String(seven);
  const nine = Math.round(value * 1e9) / 1e9;
  if (Math.fround(nine) === value) return String(nine);
  return float64Text(value);
}

/** JSON text of a double; NaN and infinities as strings. */
export function float64Text(value: number): string {
  if (value - value === 0) return Object.is(value, -0) ? '-0.0' : String(value);
  return `"${value}"`;
}

/** JSON text of a float16 bit pattern: the exact value. */
export function float16Text(bits: number): string {
  return float64Text(fromFloat16Bits(bits));
}
