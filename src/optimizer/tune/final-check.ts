/**
 * The proof: the default and the best setting of the search take turns under real load, the same part of the traffic for both in each
 * round. Only a gain beyond noise counts. Called by tune.ts at the end.
 */

import type { TunedSettings } from '../../ports/tuning.ts';
import { measureOf, medianOf } from '../plan/bench.ts';
import type { OpenLoopResult } from './open-loop.ts';
import type { Checked, CheckedLoad } from './result.ts';
import { type Goal, operatingShare, type Setting, simulateAt } from './score.ts';
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

/** Of seven rounds all must agree, or the difference is noise. */
const rounds = 7;
/** More than anybody can answer: what is in time per second is then all that can be had. */
const overload = 1.2;
const noise = 0.05;
const mostGaps = 20_000;
const shortestMs = 200;

interface Run {
  readonly contestant: number;
  readonly load: number;
  readonly result: OpenLoopResult;
}

export async function checkInTurns(contestants: readonly Contestant[], options: CheckOptions): Promise<CheckOutcome> {
  const { goal, promisedRate } = options;
  const loads =
    goal.ratePerSecond === undefined ? [operatingShare * promisedRate, overload * promisedRate] : [goal.ratePerSecond];
  const turns = rounds * loads.length * contestants.length;
  const durationMs = Math.max(shortestMs, options.budgetMs / turns);
  const runs: Run[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [load, rate] of loads.entries()) {
      for (const contestant of inTurn(contestants.length, round)) {
        options.onRound(runs.length / turns);
        const one = contestants[contestant]!;
        runs.push({ contestant, load, result: await measure(one, goal, rate, durationMs, round) });
      }
    }
  }
  const checked = contestants.map(({ settings, setting }, index) => ({
    settings,
    loads: loads.map((rate, load) => summarize(resultsOf(runs, index, load), simulateAt(setting, goal, rate), rate)),
  }));
  return { checked, ...judge(runs, contestants.length, loads.length, goal) };
}

/** Another one begins each round. */
function inTurn(count: number, round: number): number[] {
  return Array.from({ length: count }, (_, index) => (index + round) % count);
}

function measure(
  { model, setting, settings }: Contestant,
  { sloMs, traffic }: Goal,
  rate: number,
  durationMs: number,
  round: number,
): Promise<OpenLoopResult> {
  const gaps = traffic.gaps.slice(0, mostGaps);
  return model.openLoop({
    gapsMs: gaps.map((gap) => (gap * 1000) / rate),
    firstGap: Math.floor((round * gaps.length) / rounds),
    durationMs,
    sloMs,
    maxBatchSize: settings.maxBatchSize,
    prior: setting.times.prior,
  });
}

function resultsOf(runs: readonly Run[], contestant: number, load: number): OpenLoopResult[] {
  return runs.filter((run) => run.contestant === contestant && run.load === load).map(({ result }) => result);
}

function summarize(results: readonly OpenLoopResult[], simulated: CheckedLoad['simulated'], rate: number): CheckedLoad {
  const median = (of: (result: OpenLoopResult) => number) => medianOf(results.map(of));
  return {
    ratePerSecond: rate,
    goodput: median(goodputOf),
    inTimePerSecond: median(inTimePerSecond),
    p50Ms: median(({ p50Ms }) => p50Ms),
    p99Ms: median(({ p99Ms }) => p99Ms),
    simulated,
  };
}

/**
 * Without a given rate what is answered in time per second under overload, else the share in time. Where both are as good in that, the
 * p99 of the load that can be answered.
 */
function judge(
  runs: readonly Run[],
  contestants: number,
  loads: number,
  { ratePerSecond }: Goal,
): Omit<CheckOutcome, 'checked'> {
  if (contestants < 2) return { gain: undefined, improved: false, gainOf: 'requests' };
  const ratios = (load: number, of: (result: OpenLoopResult) => number) => {
    const before = resultsOf(runs, 0, load);
    return resultsOf(runs, 1, load).map((one, round) => ratio(of(one), of(before[round]!)));
  };
  const requests = verdict(ratios(loads - 1, ratePerSecond === undefined ? inTimePerSecond : goodputOf));
  if (requests.improved || requests.gain < 1 - noise) return { ...requests, gainOf: 'requests' };
  const p99 = verdict(ratios(0, ({ p99Ms }) => 1 / p99Ms));
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
