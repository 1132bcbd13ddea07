/**
 * Where to cut off a distribution before it is quantized: values beyond are clipped, so that the many get finer steps.
 * Called by calibration with a finished histogram. Pure. Every result lies within the range seen.
 */
import type { Range } from '../quantize/affine.ts';
import { asymmetric, quantizeNumber, uint8Levels } from '../quantize/affine.ts';
import type { Histogram } from './histogram.ts';

/** Leaves out the same share at both ends. @param percent of values to keep, such as 99.999 */
export function percentileRange(histogram: Histogram, percent: number): Range {
  const { counts, range } = histogram;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const cut = (total * (100 - percent)) / 200;
  let low = 0;
  for (let below = counts[0]!; low < counts.length - 1 && below <= cut; below += counts[++low]!);
  let high = counts.length - 1;
  for (let above = counts[high]!; high > 0 && above <= cut; above += counts[--high]!);
  if (high < low) return range;
  return {
    min: Math.max(range.min, histogram.start + low * histogram.width),
    max: Math.min(range.max, histogram.start + (high + 1) * histogram.width),
  };
}

/** Clipped at the same magnitude on both sides; what does not reach it stays whole. */
function clipped({ min, max }: Range, threshold: number): Range {
  return { min: Math.max(min, -threshold), max: Math.min(max, threshold) };
}

const mseSteps = 120;

/** The range with the least mean square error after uint8 quantization, among magnitudes from a fifth of the largest up. */
export function leastSquaresRange(histogram: Histogram): Range {
  const { range } = histogram;
  const largest = Math.max(Math.abs(range.min), Math.abs(range.max));
  let best = range;
  let bestError = squaredError(histogram, range);
  for (let step = mseSteps - 1; step >= mseSteps / 5; step--) {
    const candidate = clipped(range, (largest * step) / mseSteps);
    const error = squaredError(histogram, candidate);
    if (error < bestError) [best, bestError] = [candidate, error];
  }
  return best;
}

function squaredError(histogram: Histogram, range: Range): number {
  const affine = asymmetric(range);
  // Values are spread evenly within a bin and within a step, whichever is wider.
  const evenly = Math.max(affine.scale ** 2 - histogram.width ** 2, 0) / 12;
  let error = 0;
  for (let bin = 0; bin < histogram.counts.length; bin++) {
    const count = histogram.counts[bin]!;
    if (count === 0) continue;
    const center = histogram.centerOf(bin);
    const back = (quantizeNumber(center, affine, uint8Levels) - affine.zeroPoint) * affine.scale;
    const distance = Math.abs(center - back);
    error += count * (distance <= affine.scale / 2 ? evenly || distance ** 2 : distance ** 2);
  }
  return error;
}

/** Levels that each candidate is squeezed into: as TensorRT's calibrator does for 8 bits. */
const entropyLevels = 128;

/**
 * The range whose 128-level version tells most about the distribution: least Kullback-Leibler divergence between the clipped
 * histogram and the quantized one. Source: Migacz, "8-bit inference with TensorRT" (2017), with clipping at one magnitude.
 * Wants 2048 bins or more: with few, wide candidates are all there is.
 */
export function entropyRange(histogram: Histogram): Range {
  const { range, width, start } = histogram;
  const counts = withoutZeroSpike(histogram);
  const largest = Math.max(Math.abs(range.min), Math.abs(range.max));
  const steps = Math.floor(largest / width);
  const stride = Math.max(1, Math.floor(steps / 256));
  let best = range;
  let bestDivergence = Number.POSITIVE_INFINITY;
  for (let step = entropyLevels; step <= steps; step += stride) {
    const candidate = step + stride > steps ? range : clipped(range, step * width);
    const first = Math.max(0, Math.floor((candidate.min - start) / width));
    const last = Math.min(counts.length - 1, Math.ceil((candidate.max - start) / width) - 1);
    const divergence = divergenceOf(counts, first, last);
    if (divergence < bestDivergence) [best, bestDivergence] = [candidate, divergence];
  }
  return best;
}

/** What a Relu leaves at 0 is exact in any case, and would outweigh all that the choice is about. */
function withoutZeroSpike({ counts, start, width }: Histogram): Float64Array {
  const zero = Math.floor(-start / width);
  if (zero < 0 || zero >= counts.length) return counts;
  const others = counts.slice();
  const neighbours = Math.max(counts[zero - 1] ?? 0, counts[zero + 1] ?? 0);
  others[zero] = Math.min(counts[zero]!, neighbours);
  return others;
}

/** Of bins `first` to `last`, what lies outside being added to the ends, from their 128-level version without it. */
function divergenceOf(counts: Float64Array, first: number, last: number): number {
  const size = last - first + 1;
  if (size < entropyLevels) return Number.POSITIVE_INFINITY;
  const inside = counts.subarray(first, last + 1);
  const clippedCounts = inside.slice();
  for (let bin = 0; bin < first; bin++) clippedCounts[0]! += counts[bin]!;
  for (let bin = last + 1; bin < counts.length; bin++) clippedCounts[size - 1]! += counts[bin]!;
  const quantized = squeeze(inside, clippedCounts);
  const total = sum(clippedCounts);
  const quantizedTotal = sum(quantized);
  if (quantizedTotal === 0) return Number.POSITIVE_INFINITY;
  let divergence = 0;
  for (let i = 0; i < size; i++) {
    if (clippedCounts[i] === 0) continue;
    // Smoothed: a bin that only clipped values fill would make the divergence infinite.
    const p = clippedCounts[i]! / total;
    const q = Math.max(quantized[i]! / quantizedTotal, 1e-4 / size);
    divergence += p * Math.log(p / q);
  }
  return divergence;
}

/** Sums of each level's bins, spread evenly over those of them that `shape` has anything in. */
function squeeze(inside: Float64Array, shape: Float64Array): Float64Array {
  const quantized = new Float64Array(inside.length);
  for (let level = 0; level < entropyLevels; level++) {
    const from = Math.floor((level * inside.length) / entropyLevels);
    const to = Math.floor(((level + 1) * inside.length) / entropyLevels);
    let content = 0;
    let filled = 0;
    for (let i = from; i < to; i++) {
      content += inside[i]!;
      if (shape[i] !== 0) filled++;
    }
    for (let i = from; i < to; i++) if (shape[i] !== 0) quantized[i] = content / filled;
  }
  return quantized;
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
