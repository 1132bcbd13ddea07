/**
 * Scale and zero point of one block of weights that share them. Called by the rounders of weight-only quantization, once per
 * block: a million times for a large layer, so it allocates nothing. Pure apart from `chosen`.
 */
import { roundHalfEven } from '../../quantize/round.ts';

export type Bits = 4 | 8;
export type BlockSize = 16 | 32 | 64 | 128;

export interface BlockSettings {
  readonly bits: Bits;
  /** Weights along the inner dimension that share a scale. */
  readonly blockSize: BlockSize;
  readonly symmetric: boolean;
  /** `max`: nothing is clipped. `mse`: the scale of the least squared error, clipping the largest weight where that pays. */
  readonly scaleSearch: 'max' | 'mse';
}

/** What `chooseScale` found last; `zero` is the code that means 0. Read it before the next call. */
export const chosen = { scale: 1, zero: 0 };

const shrinks = [1, 0.96, 0.92, 0.88, 0.84, 0.8, 0.76, 0.72];

/** For the first `count` of `values`; leaves the answer in `chosen`. */
export function chooseScale(values: Float32Array, count: number, settings: BlockSettings): void {
  let least = 0;
  let most = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (value < least) least = value;
    else if (value > most) most = value;
  }
  if (settings.symmetric) chooseSymmetric(values, count, least, most, settings);
  else chooseAsymmetric(values, count, least, most, settings);
}

/** The weight of largest magnitude gets the code of -2^(bits-1), whatever its sign: the scale may be negative. */
function chooseSymmetric(values: Float32Array, count: number, least: number, most: number, s: BlockSettings): void {
  const zero = 2 ** (s.bits - 1);
  const extreme = most > -least ? most : least;
  if (s.scaleSearch === 'max') {
    choose(extreme / -zero, zero);
    return;
  }
  let best = Number.POSITIVE_INFINITY;
  let bestScale = 0;
  for (const shrink of shrinks) {
    for (const divisor of [-zero, zero - 1]) {
      const scale = Math.fround((extreme * shrink) / divisor);
      const error = squaredError(values, count, scale, zero, s.bits, best);
      if (error < best) [best, bestScale] = [error, scale];
    }
  }
  choose(bestScale, zero);
}

/** The range always holds 0, so that zero weights stay zero. */
function chooseAsymmetric(values: Float32Array, count: number, least: number, most: number, s: BlockSettings): void {
  const levels = 2 ** s.bits - 1;
  let best = Number.POSITIVE_INFINITY;
  let [bestScale, bestZero] = [0, 0];
  for (const shrink of s.scaleSearch === 'max' ? [1] : shrinks) {
    const scale = Math.fround(((most - least) * shrink) / levels);
    const zero = scale === 0 ? 0 : clampCode(-(least * shrink) / scale, levels);
    const error = s.scaleSearch === 'max' ? 0 : squaredError(values, count, scale, zero, s.bits, best);
    if (error < best) [best, bestScale, bestZero] = [error, scale, zero];
  }
  choose(bestScale, bestZero);
}

/** A block of zeros, or of numbers too small for a float32 scale, has scale 1. */
function choose(scale: number, zero: number): void {
  const stored = Math.fround(scale);
  chosen.scale = stored === 0 ? 1 : stored;
  chosen.zero = zero;
}

/** Any number that is not below `best` where the error is not. */
function squaredError(
  values: Float32Array,
  count: number,
  scale: number,
  zero: number,
  bits: Bits,
  best: number,
): number {
  const levels = 2 ** bits - 1;
  const inverse = scale === 0 ? 0 : 1 / scale;
  let sum = 0;
  for (let i = 0; i < count && sum < best; i++) {
    let code = roundHalfEven(values[i]! * inverse) + zero;
    if (code < 0) code = 0;
    else if (code > levels) code = levels;
    const error = values[i]! - (code - zero) * scale;
    sum += error * error;
  }
  return sum;
}

function clampCode(value: number, levels: number): number {
  return Math.min(levels, Math.max(0, roundHalfEven(value)));
}
