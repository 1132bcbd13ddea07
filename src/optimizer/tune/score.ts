/**
 * How good a measured setting is under the traffic: the real scheduler simulated with the measured times, for each largest batch. Called
 * by tune.ts. Every setting sees the same arrivals and the same seed, so that a difference is one of the settings.
 */
import { simulate } from '../../core/batching/simulate.ts';
import { seededRandom } from '../../core/seeded-random.ts';
import type { ServiceTimes } from './service-times.ts';
import { arrivalsAt, type Traffic } from './traffic.ts';

export interface Goal {
  readonly sloMs: number;
  readonly traffic: Traffic;
  /** Requests per second to be good at; undefined: the most that can be answered in time. */
  readonly ratePerSecond: number | undefined;
}

export interface Score {
  readonly maxBatchSize: number;
  /** Without a given rate the highest at which enough is in time, else what is in time of the given one. */
  readonly requestsPerSecond: number;
  /** At the given rate, or a little below the highest. */
  readonly p99Ms: number;
  readonly p50Ms: number;
  /** Share answered within the SLO at that rate. */
  readonly goodput: number;
  /** The rate of the three before. */
  readonly atRate: number;
  readonly threads: number;
}

export interface Simulated {
  readonly goodput: number;
  /** Answers in time per second, until the last one. */
  readonly inTimePerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What of all requests has to be answered within the SLO. */
export const goodputShare = 0.99;
/** Latencies are compared below the edge, where they explode. */
export const operatingShare = 0.9;
/** Closer than this is a tie. */
const tieShare = 0.02;
/**
 * No process reads more requests than this from its sockets (docs/benchmarks.md), so that models which could answer more are equals. Who
 * wants to know what lies beyond gives a rate.
 */
export const mostRequestsPerSecond = 50_000;
const simulatedRequests = 10_000;
const seed = 20_417;
const bisections = 8;

export interface Setting {
  readonly times: ServiceTimes;
  readonly instances: number;
  readonly maxBatchSize: number;
}

function simulateAt(setting: Setting, { sloMs, traffic }: Goal, ratePerSecond: number): Simulated {
  return simulateArrivals(setting, sloMs, arrivalsAt(traffic, ratePerSecond, simulatedRequests));
}

export function simulateArrivals(setting: Setting, sloMs: number, arrivalsMs: readonly number[]): Simulated {
  const { times, instances, maxBatchSize } = setting;
  const random = seededRandom(seed);
  let endMs = arrivalsMs.at(-1) ?? 0;
  const result = simulate({
    arrivalsMs,
    instances,
    maxBatchSize,
    sloMs,
    prior: times.prior,
    random,
    serviceMs: (rows, atMs) => {
      const ms = times.draw(rows, random);
      endMs = Math.max(endMs, atMs + ms);
      return ms;
    },
  });
  const sorted = Float64Array.from(result.latenciesMs).sort();
  return {
    goodput: result.goodput,
    inTimePerSecond: (1000 * result.answeredInTime) / endMs,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
  };
}

/** No more can be answered per second for good, whatever a short burst may promise. */
export function capacityOf({ times, instances, maxBatchSize }: Setting): number {
  return Math.min(mostRequestsPerSecond, (1000 * instances * maxBatchSize) / times.meanMs(maxBatchSize));
}

export function scoreBatch(setting: Setting, threads: number, goal: Goal): Score {
  const { maxBatchSize } = setting;
  const given = goal.ratePerSecond;
  const highest = given ?? highestRate(setting, goal);
  const atRate = given ?? operatingShare * highest;
  if (!(atRate > 0)) {
    const never = Number.POSITIVE_INFINITY;
    return { maxBatchSize, requestsPerSecond: 0, p99Ms: never, p50Ms: never, goodput: 0, atRate: 0, threads };
  }
  const { goodput, p50Ms, p99Ms } = simulateAt(setting, goal, atRate);
  const requestsPerSecond = given === undefined ? highest : goodput * given;
  return { maxBatchSize, requestsPerSecond, p99Ms, p50Ms, goodput, atRate, threads };
}

/** The best of the batch sizes. */
export function scoreBest(
  times: ServiceTimes,
  instances: number,
  threads: number,
  batches: readonly number[],
  goal: Goal,
): Score {
  let best: Score | undefined;
  for (const maxBatchSize of batches) {
    const score = scoreBatch({ times, instances, maxBatchSize }, threads, goal);
    if (best === undefined || isBetter(score, best)) best = score;
  }
  return best!;
}

/** More requests in time; where that is a tie the lower p99, and where that is one too the fewer threads. */
export function isBetter(a: Score, b: Score): boolean {
  return (compare(a.requestsPerSecond, b.requestsPerSecond) || compare(b.p99Ms, a.p99Ms) || b.threads - a.threads) > 0;
}

/** 0 for a tie. */
function compare(a: number, b: number): number {
  if (a === b || Math.abs(a - b) <= tieShare * Math.max(Math.abs(a), Math.abs(b))) return 0;
  return a > b ? 1 : -1;
}

function highestRate(setting: Setting, goal: Goal): number {
  const passes = (rate: number) => simulateAt(setting, goal, rate).goodput >= goodputShare;
  let high = capacityOf(setting);
  if (!(high > 0) || !Number.isFinite(high)) return 0;
  if (passes(high)) return high;
  let low = 0;
  for (let step = 0; step < bisections; step++) {
    const middle = (low + high) / 2;
    if (passes(middle)) low = middle;
    else high = middle;
  }
  return low;
}

export function percentile(sorted: Float64Array | readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.POSITIVE_INFINITY;
}
