/**
 * The proof: the default and the best setting of the search take turns under real load, the same part of the traffic for both in each
 * round. Only a gain beyond noise counts. Called by tune.ts at the end.
 */

import type { TunedSettings } from '../../ports/tuning.ts';
import { measureOf, medianOf } from '../plan/bench.ts';
import type { OpenLoopResult } from './open-loop.ts';
import type { Checked, CheckedLoad } from './result.ts';
import { capacityOf, type Goal, operatingShare, type Setting, type Simulated, simulateArrivals } from './score.ts';
import type { OpenSetting } from './tools.ts';

export interface Contestant {
  readonly settings: TunedSettings;
  readonly model: OpenSetting;
  readonly setting: Setting;
}

export interface CheckOptions {
  readonly goal: Goal;
  /** Requests per second of the best by simulation. */
  readonly promisedRate: number;
  /** For all rounds together. */
  readonly budgetMs: number;
  readonly onRound: (share: number) => void;
}

export interface CheckOutcome {
  readonly checked: readonly Checked[];
  /** Of two contestants: second to first, in the median, and whether it is beyond noise. */
  readonly gain: number | undefined;
  readonly improved: boolean;
  /** What the gain is a gain in. */
  readonly gainOf: 'requests' | 'p99';
}

/** Of nine rounds eight must agree, or the difference is noise. */
const rounds = 9;
/** More than anybody can answer: what is in time per second is then all that can be had. */
const overload = 1.2;
const noise = 0.05;
const mostGaps = 20_000;
const shortestMs = 200;

interface Run {
  readonly contestant: number;
  readonly kind: CheckedLoad['kind'];
  readonly measured: OpenLoopResult;
  readonly simulated: Simulated;
}

interface Load {
  readonly kind: CheckedLoad['kind'];
  readonly ratePerSecond: number;
  /** Used again from the start when they are over. */
  readonly gapsMs: readonly number[];
}

export async function checkInTurns(contestants: readonly Contestant[], options: CheckOptions): Promise<CheckOutcome> {
  const loads = loadsOf(contestants, options);
  const turns = rounds * loads.length * contestants.length;
  const durationMs = Math.max(shortestMs, options.budgetMs / turns);
  const runs: Run[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const load of loads) {
      for (const contestant of inTurn(contestants.length, round)) {
        options.onRound(runs.length / turns);
        const { model, settings, setting } = contestants[contestant]!;
        const { sloMs } = options.goal;
        const firstGap = firstGapOf(load, round);
        const { maxBatchSize } = settings;
        const { prior } = setting.times;
        const job = { gapsMs: load.gapsMs, firstGap, durationMs, sloMs, maxBatchSize, prior };
        const simulated = simulateArrivals(setting, sloMs, arrivalsIn(load, firstGap, durationMs));
        runs.push({ contestant, kind: load.kind, measured: await model.openLoop(job), simulated });
      }
    }
  }
  const checked = contestants.map(({ settings }, index) => ({
    settings,
    loads: loads.map(({ kind, ratePerSecond }) => summarize(runsOf(runs, index, kind), kind, ratePerSecond)),
  }));
  return { checked, ...judge(runs, contestants.length, options.goal) };
}

/**
 * Overload is even: in a short time with bursts the calm between them would count for as much as the load. It is left out where only one
 * rate matters.
 */
function loadsOf(
  contestants: readonly Contestant[],
  { goal: { traffic, ratePerSecond }, promisedRate }: CheckOptions,
): Load[] {
  const rate = ratePerSecond ?? operatingShare * promisedRate;
  const gapsMs = traffic.gaps.slice(0, mostGaps).map((gap) => (1000 * gap) / rate);
  const asItComes: Load = { kind: 'traffic', ratePerSecond: rate, gapsMs };
  if (ratePerSecond !== undefined) return [asItComes];
  const most = overload * Math.max(...contestants.map(({ setting }) => capacityOf(setting)));
  return [asItComes, { kind: 'overload', ratePerSecond: most, gapsMs: [1000 / most] }];
}

/** Other rounds see other parts of the traffic. */
function firstGapOf({ gapsMs }: Load, round: number): number {
  return Math.floor((round * gapsMs.length) / rounds);
}

/** What the open loop will send. */
function arrivalsIn({ gapsMs }: Load, firstGap: number, durationMs: number): number[] {
  const times: number[] = [];
  let now = 0;
  for (let gap = firstGap; ; gap++) {
    now += gapsMs[gap % gapsMs.length]!;
    if (now >= durationMs) return times;
    times.push(now);
  }
}

/** Another one begins each round. */
function inTurn(count: number, round: number): number[] {
  return Array.from({ length: count }, (_, index) => (index + round) % count);
}

function runsOf(runs: readonly Run[], contestant: number, kind: Load['kind']): Run[] {
  return runs.filter((run) => run.contestant === contestant && run.kind === kind);
}

function summarize(runs: readonly Run[], kind: Load['kind'], ratePerSecond: number): CheckedLoad {
  const median = (of: (run: Run) => number) => medianOf(runs.map(of));
  return {
    kind,
    ratePerSecond,
    goodput: median(({ measured }) => goodputOf(measured)),
    inTimePerSecond: median(({ measured }) => inTimePerSecond(measured)),
    p50Ms: median(({ measured }) => measured.p50Ms),
    p99Ms: median(({ measured }) => measured.p99Ms),
    simulated: {
      goodput: median(({ simulated }) => simulated.goodput),
      inTimePerSecond: median(({ simulated }) => simulated.inTimePerSecond),
      p50Ms: median(({ simulated }) => simulated.p50Ms),
      p99Ms: median(({ simulated }) => simulated.p99Ms),
    },
  };
}

/**
 * Without a given rate what is answered in time per second under overload, else the share in time. Where both are as good in that, the
 * p99 of the traffic as it comes. Nothing is a gain that loses requests of that traffic.
 */
function judge(runs: readonly Run[], contestants: number, { ratePerSecond }: Goal): Omit<CheckOutcome, 'checked'> {
  if (contestants < 2) return { gain: undefined, improved: false, gainOf: 'requests' };
  const ratios = (kind: Load['kind'], of: (result: OpenLoopResult) => number) => {
    const before = runsOf(runs, 0, kind);
    return runsOf(runs, 1, kind).map(({ measured }, round) => ratio(of(measured), of(before[round]!.measured)));
  };
  const inTime = verdict(ratios('traffic', goodputOf));
  const requests = ratePerSecond === undefined ? verdict(ratios('overload', inTimePerSecond)) : inTime;
  const worse = Math.min(inTime.gain, requests.gain) < 1 - noise;
  if (requests.improved || worse) return { ...requests, improved: !worse, gainOf: 'requests' };
  const p99 = verdict(ratios('traffic', ({ p99Ms }) => 1 / p99Ms));
  return p99.improved ? { ...p99, gainOf: 'p99' } : { ...requests, gainOf: 'requests' };
}

/** More than noise in the median, and with 95 % confidence more than nothing. */
function verdict(values: readonly number[]): { readonly gain: number; readonly improved: boolean } {
  const { median, low } = measureOf(values);
  return { gain: median, improved: median > 1 + noise && low > 1 };
}

/** Two that answer nothing are equals. */
function ratio(after: number, before: number): number {
  return after === before ? 1 : after / before;
}

function goodputOf({ inTime, offered }: OpenLoopResult): number {
  return offered === 0 ? 0 : inTime / offered;
}

function inTimePerSecond({ inTime, seconds }: OpenLoopResult): number {
  return inTime / seconds;
}
