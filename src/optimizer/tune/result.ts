/** What `tune` finds out, as plain data: for the table, `--json` and tuning.json. Types only. */
import type { TunedSettings } from '../../ports/tuning.ts';
import type { Score, Simulated } from './score.ts';
import type { Point } from './space.ts';

/** One setting that was measured, with its best batch. */
export interface MeasuredPoint extends Score {
  readonly point: Point;
  /** The line that the scheduler learns: milliseconds per row, and of a batch without any. */
  readonly perRowMs: number;
  readonly fixedMs: number;
  /** Times it was measured. */
  readonly visits: number;
}

/** Medians of the rounds of the real thing, beside what the simulation says of the same arrivals. */
export interface CheckedLoad {
  /** `traffic`: as it comes. `overload`: evenly, and more than can be answered. */
  readonly kind: 'traffic' | 'overload';
  readonly ratePerSecond: number;
  readonly goodput: number;
  readonly inTimePerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly simulated: Simulated;
}

export interface Checked {
  readonly settings: TunedSettings;
  readonly loads: readonly CheckedLoad[];
}

export interface TuneResult {
  /** The default first, then in the order they were measured. */
  readonly points: readonly MeasuredPoint[];
  readonly possible: number;
  /** False: the time was up before no neighbour was better. */
  readonly finished: boolean;
  /** Settings that could not be used, with the reason. */
  readonly failures: readonly { readonly point: Point; readonly reason: string }[];
  readonly sloMs: number;
  readonly ratePerSecond: number | undefined;
  readonly defaults: Checked;
  /** The best by simulation; undefined when that is the default. */
  readonly challenger: Checked | undefined;
  /** Median of the rounds' own ratios, challenger to default, of what counts. */
  readonly gain: number | undefined;
  /** Beyond noise. */
  readonly improved: boolean;
  /** Why this one, or why none. */
  readonly choice: string;
  readonly notes: readonly string[];
}
