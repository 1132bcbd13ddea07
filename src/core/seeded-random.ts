/**
 * A small seeded generator (mulberry32) for training, schedules, simulations and tests: the same seed gives the same
 * sequence on every machine. Never for secrets.
 */
import type { Random } from '../ports/clock.ts';

/** Uniform numbers in [0, 1) with 32 random bits. */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
