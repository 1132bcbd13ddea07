/** Requests of which a given share has been asked before, with the popularity of real keys: a few often, most once. */
import { seededRandom } from '../src/core/seeded-random.ts';

/** Exponent of Zipf's law; near 1 for words, pages and products. */
const exponent = 0.9;

/**
 * `length` keys from 0 in the order they are asked. The universe is the smallest in which at most `repeatShare` of the draws repeat
 * an earlier one, so that the share is met within a few draws.
 */
export function repeatTrace(length: number, repeatShare: number, seed: number): readonly number[] {
  for (let universe = length / 4; ; universe *= 1.05) {
    const keys = drawZipf(length, Math.round(universe), seed);
    if (1 - new Set(keys).size / length <= repeatShare) return renumber(keys);
  }
}

function drawZipf(length: number, universe: number, seed: number): number[] {
  const random = seededRandom(seed);
  const cumulative: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= universe; rank++) {
    sum += rank ** -exponent;
    cumulative.push(sum);
  }
  return Array.from({ length }, () => {
    const at = random() * sum;
    return cumulative.findIndex((upTo) => at < upTo);
  });
}

/** 0 for the first key asked, 1 for the next new one, and so on. */
function renumber(keys: readonly number[]): number[] {
  const numbers = new Map<number, number>();
  return keys.map((key) => {
    if (!numbers.has(key)) numbers.set(key, numbers.size);
    return numbers.get(key)!;
  });
}
