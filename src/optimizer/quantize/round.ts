/**
 * Rounding as ONNX's QuantizeLinear defines it. Called by everything that quantizes; Math.round, which takes halves upwards,
 * is never used for that. Pure.
 */

/** 1.5 * 2^52: a sum with it has no room for fractions left, so the adder rounds them, half to even. */
const noFractions = 6755399441055744;

/** Nearest whole number, halves to the even one. Exact below 2^51; NaN and infinities stay. */
export function roundHalfEven(value: number): number {
  return value + noFractions - noFractions;
}

/** `value` within `low` and `high`; NaN gives `low`. */
export function clamp(value: number, low: number, high: number): number {
  return value >= low ? Math.min(value, high) : low;
}
