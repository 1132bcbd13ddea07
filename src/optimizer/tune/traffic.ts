/**
 * Arrivals to tune for, without their rate: gaps between requests whose mean is 1, played at any rate and from the start again when they
 * are over. Pure; made from a recorded file (read-traffic.ts) or by a seeded generator.
 */
import type { Random } from '../../ports/clock.ts';

export interface Traffic {
  /** Gaps before each request, in mean gaps. */
  readonly gaps: readonly number[];
  /** What it is, in words for people. */
  readonly title: string;
  /** Of a recording, requests per second. */
  readonly recordedRate?: number | undefined;
}

/** Share of the time that is busy, how much busier than the mean, and how many requests a busy time has. */
const busyShare = 0.2;
const busyFactor = 3;
const burstRequests = 100;

/**
 * Independent users, more of them at times: Poisson arrivals whose rate is three times the mean in a fifth of the time, in bursts of a
 * hundred requests or so.
 */
export function syntheticTraffic(count: number, random: Random): Traffic {
  const calmFactor = (1 - busyShare * busyFactor) / (1 - busyShare);
  const busyLength = burstRequests / busyFactor;
  const calmLength = (busyLength * (1 - busyShare)) / busyShare;
  const gaps: number[] = [];
  let busy = false;
  let left = calmLength * exponential(random);
  while (gaps.length < count) {
    let gap = 0;
    for (let needed = exponential(random); ; ) {
      const factor = busy ? busyFactor : calmFactor;
      if (needed <= left * factor) {
        gap += needed / factor;
        left -= needed / factor;
        break;
      }
      // What is left of this phase passes without a request; the rest of the gap is waited at the next one's rate.
      gap += left;
      needed -= left * factor;
      busy = !busy;
      left = (busy ? busyLength : calmLength) * exponential(random);
    }
    gaps.push(gap);
  }
  return {
    gaps: normalized(gaps),
    title: `Poisson with bursts (a fifth of the time ${busyFactor} times the mean rate, about ${burstRequests} requests each)`,
  };
}

/**
 * @param timesMs of the requests, ascending or not
 * @throws RangeError when they hold no rate: fewer than two, or all at once
 */
export function recordedTraffic(timesMs: readonly number[], title: string): Traffic {
  const sorted = Float64Array.from(timesMs).sort();
  const spanMs = sorted.at(-1)! - sorted[0]!;
  if (sorted.length < 2 || !(spanMs > 0)) throw new RangeError('no rate');
  const gaps = Array.from({ length: sorted.length - 1 }, (_, index) => sorted[index + 1]! - sorted[index]!);
  return { gaps: normalized(gaps), title, recordedRate: (1000 * gaps.length) / spanMs };
}

/** The first `count` arrivals at a rate, in milliseconds from the start. */
export function arrivalsAt({ gaps }: Traffic, ratePerSecond: number, count: number): number[] {
  const meanMs = 1000 / ratePerSecond;
  const times: number[] = [];
  let now = 0;
  for (let index = 0; index < count; index++) {
    now += gaps[index % gaps.length]! * meanMs;
    times.push(now);
  }
  return times;
}

function normalized(gaps: readonly number[]): number[] {
  let sum = 0;
  for (const gap of gaps) sum += gap;
  const mean = sum / gaps.length;
  return gaps.map((gap) => gap / mean);
}

function exponential(random: Random): number {
  return -Math.log(1 - random());
}
