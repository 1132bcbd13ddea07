/**
 * How close answers are to those they stand for: signal to quantization noise ratio. Called by mixed precision, by
 * calibration's choice of a method and by verification. Pure.
 */

/** Sums over many tensors; `addSquares` once for each pair. */
export interface Noise {
  readonly signal: number;
  readonly noise: number;
}

export const noNoise: Noise = { signal: 0, noise: 0 };

/** In float64, over pairs of the same length. A NaN in either makes the noise infinite. */
export function addSquares(sum: Noise, reference: ArrayLike<number>, actual: ArrayLike<number>): Noise {
  let { signal, noise } = sum;
  if (reference.length !== actual.length) return { signal, noise: Number.POSITIVE_INFINITY };
  for (let i = 0; i < reference.length; i++) {
    const expected = reference[i]!;
    const error = actual[i]! - expected;
    signal += expected * expected;
    noise += error * error;
  }
  return Number.isNaN(noise) || Number.isNaN(signal) ? { signal, noise: Number.POSITIVE_INFINITY } : { signal, noise };
}

/** Decibels: 20 more means a tenth of the error. Infinity without noise, -Infinity for noise where there is no signal. */
export function decibels({ signal, noise }: Noise): number {
  if (noise === 0) return Number.POSITIVE_INFINITY;
  return signal === 0 || noise === Number.POSITIVE_INFINITY
    ? Number.NEGATIVE_INFINITY
    : 10 * Math.log10(signal / noise);
}

/** Of one pair of tensors, in decibels. */
export function sqnrDb(reference: ArrayLike<number>, actual: ArrayLike<number>): number {
  return decibels(addSquares(noNoise, reference, actual));
}
