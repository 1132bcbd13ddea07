/**
 * Open-loop schedules: when each request is meant to be sent, fixed before the first one leaves, so that a slow server
 * cannot slow its own load down. Pure; the same seed gives the same schedule.
 */
import { HotpathError } from '../core/errors.ts';
import { seededRandom } from '../core/seeded-random.ts';

export interface Arrivals {
  /** `constant` spaces requests evenly; `poisson` draws exponential gaps, as independent users would. */
  readonly kind: 'constant' | 'poisson';
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly seed: number;
}

/**
 * Intended send times in milliseconds from the start, ascending, all below `durationMs`.
 * @throws INVALID_INPUT when the rate or the duration is not positive.
 */
export function scheduleArrivals(arrivals: Arrivals): Float64Array {
  const { kind, ratePerSecond, durationMs, seed } = arrivals;
  if (!(ratePerSecond > 0) || !(durationMs > 0) || !Number.isFinite(ratePerSecond * durationMs)) {
    throw new HotpathError('INVALID_INPUT', 'An arrival schedule needs a positive rate and a positive duration.');
  }
  const gapMs = 1000 / ratePerSecond;
  if (kind === 'constant') {
    return Float64Array.from({ length: Math.ceil(durationMs / gapMs - 1e-9) }, (_, index) => index * gapMs);
  }
  const random = seededRandom(seed);
  // 1 - random() is in (0, 1], so the logarithm is finite.
  const drawGapMs = (): number => -Math.log(1 - random()) * gapMs;
  const times: number[] = [];
  for (let at = drawGapMs(); at < durationMs; at += drawGapMs()) times.push(at);
  return Float64Array.from(times);
}
