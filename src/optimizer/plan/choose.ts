/**
 * Which variants nobody beats, and which one to serve. Pure; called by optimize.ts when everything is measured.
 */
import type { VariantDifference } from '../verify/verify.ts';
import type { BatchTiming, Target, VariantResult } from './result.ts';

export type Candidate = Omit<VariantResult, 'pareto'>;

/** Less is measurement noise. */
const worthwhile = 1.05;

/** 0: as good as the original. What the gate looks at. */
export function lossOf(difference: VariantDifference | undefined): number {
  if (difference === undefined) return 0;
  const { labels, boxes, outputs } = difference;
  if (boxes !== undefined) return 1 - boxes.agreement;
  if (labels?.accuracy !== undefined) return Math.max(0, labels.accuracy.original - labels.accuracy.variant);
  if (labels !== undefined) return 1 - labels.agreement;
  return Math.max(0, ...outputs.map(({ unexplained }) => unexplained));
}

export type Speed = 'faster' | 'slower' | 'same';

/** Only what all rounds agree on counts. */
export function speedOf({ speedup }: BatchTiming): Speed {
  if (speedup.low > 1 && speedup.median > worthwhile) return 'faster';
  return speedup.high < 1 && speedup.median < 1 / worthwhile ? 'slower' : 'same';
}

/** Among the original and what passed: those that no other beats or equals in size, time and loss at once. */
export function paretoFront(variants: readonly Candidate[]): ReadonlySet<string> {
  const good = variants.filter(({ state }) => state === 'original' || state === 'passed');
  const measures = (variant: Candidate) => [
    variant.sizeBytes,
    variant.timings[0]?.ms.median ?? Number.POSITIVE_INFINITY,
    lossOf(variant.difference),
  ];
  // Times differ by noise, sizes and losses do not.
  const slack = [1, worthwhile, 1];
  const beats = (one: Candidate, other: Candidate): boolean => {
    const [a, b] = [measures(one), measures(other)];
    return a.every((value, at) => value <= b[at]! * slack[at]!) && a.some((value, at) => value * slack[at]! < b[at]!);
  };
  return new Set(good.filter((one) => !good.some((other) => beats(other, one))).map(({ id }) => id));
}

export interface Choice {
  readonly id: string | undefined;
  readonly reason: string;
}

/** How much better than the original, above 1; undefined where it is not, or nothing is known. */
function gainOf(variant: Candidate, original: Candidate, target: Target): number | undefined {
  if (target === 'size') return original.sizeBytes / variant.sizeBytes;
  if (target === 'memory') return original.residentBytes / Math.max(1, variant.residentBytes);
  const timing = target === 'latency' ? variant.timings[0] : variant.timings.at(-1);
  return timing !== undefined && speedOf(timing) === 'faster' ? timing.speedup.median : undefined;
}

const words = {
  latency: ['the fastest for one row', 'faster for one row'],
  throughput: ['the fastest for many rows', 'faster for many rows'],
  size: ['the smallest', 'smaller'],
  memory: ['the one with the least memory', 'smaller in memory'],
} as const satisfies Record<Target, readonly [string, string]>;

function closest(ranked: readonly { readonly variant: Candidate; readonly gain: number }[]): Candidate[] {
  const most = Math.max(...ranked.map(({ gain }) => gain));
  return ranked.filter(({ gain }) => gain * worthwhile >= most).map(({ variant }) => variant);
}

/** Geometric, so that twice and half as fast cancel out. */
function meanSpeedup({ timings }: Candidate): number {
  const logs = timings.map(({ speedup }) => Math.log(speedup.median));
  return Math.exp(logs.reduce((sum, log) => sum + log, 0) / Math.max(1, logs.length));
}

/** @param force also variants that the gate refused */
export function choose(variants: readonly Candidate[], target: Target, force: boolean): Choice {
  const [original, ...others] = variants as [Candidate, ...Candidate[]];
  const open = others.filter(({ state }) => state === 'passed' || (force && state === 'refused'));
  const ranked = open
    .map((variant) => ({ variant, gain: gainOf(variant, original, target) ?? 0 }))
    .filter(({ gain }) => gain > worthwhile);
  if (ranked.length === 0) {
    const refused = others.filter(({ state }) => state === 'refused').length;
    const why = refused > 0 ? ` ${refused} ${refused === 1 ? 'was' : 'were'} refused.` : '';
    return {
      id: undefined,
      reason: `No variant that passed is ${words[target][1]} than the original: keep the original.${why}`,
    };
  }
  // As good within noise: then what is faster over all batches, then what answers most like the original.
  const fast = closest(closest(ranked).map((variant) => ({ variant, gain: meanSpeedup(variant) })));
  const chosen = fast.reduce((one, other) => (lossOf(other.difference) < lossOf(one.difference) ? other : one));
  const forced = chosen.state === 'refused' ? ' It failed its gate and was taken because of --force.' : '';
  return { id: chosen.id, reason: `${chosen.title}: ${words[target][0]} of those that passed.${forced}` };
}
