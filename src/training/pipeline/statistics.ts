/** What is learned from one column of numbers before any model: its middle, its spread. Called by prepare.ts. Results are float32. */
import type { Impute, Scale } from './prepare.ts';

/** @param present the values that are there; 0 when there are none */
export function fillValue(present: Float32Array, impute: Impute): number {
  if (present.length === 0) return 0;
  if (impute === 'mean') return Math.fround(meanOf(present));
  if (impute === 'most-frequent') return mostFrequent(present);
  const sorted = present.slice().sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : Math.fround((sorted[middle - 1]! + sorted[middle]!) / 2);
}

/** (x - offset) * factor has mean 0 and deviation 1 (`standard`), or runs from 0 to 1 (`minmax`). */
export function scaleOf(present: Float32Array, scale: Scale): { offset: number; factor: number } {
  if (scale === 'none' || present.length === 0) return { offset: 0, factor: 1 };
  const mean = meanOf(present);
  let [low, high, squares] = [present[0]!, present[0]!, 0];
  for (const value of present) {
    low = Math.min(low, value);
    high = Math.max(high, value);
    squares += (value - mean) ** 2;
  }
  const spread = scale === 'minmax' ? high - low : Math.sqrt(squares / present.length);
  // A column that is constant in these rows says nothing, and must not divide by nothing.
  const factor = Math.fround(1 / spread);
  return {
    offset: scale === 'minmax' ? low : Math.fround(mean),
    factor: Number.isFinite(factor) && factor > 0 ? factor : 1,
  };
}

function meanOf(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** The lowest one among equally frequent. */
function mostFrequent(values: Float32Array): number {
  const sorted = values.slice().sort();
  let best = sorted[0]!;
  let bestRows = 0;
  let start = 0;
  for (let end = 1; end <= sorted.length; end++) {
    if (end < sorted.length && sorted[end] === sorted[start]) continue;
    if (end - start > bestRows) [best, bestRows] = [sorted[start]!, end - start];
    start = end;
  }
  return best;
}
