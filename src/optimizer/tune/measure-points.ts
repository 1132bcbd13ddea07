/**
 * Measures settings one after the other, each in a fresh process and never two at once, because their threads would take the cores from
 * each other. Made by tune.ts; remembers all readings, so that a second visit adds to the first.
 */
import { HotpathError } from '../../core/errors.ts';
import type { MeasuredPoint } from './result.ts';
import { type Goal, scoreBatch, scoreBest } from './score.ts';
import { type Reading, ServiceTimes } from './service-times.ts';
import { type Point, pointKey } from './space.ts';
import type { OpenSetting, TuneTools } from './tools.ts';

export interface BatchRange {
  /** Rows per batch to measure, ascending. */
  readonly sizes: readonly number[];
  /** The largest batch model.json demands; undefined: whichever of `sizes` is best. */
  readonly fixed: number | undefined;
}

interface Known {
  readonly readings: readonly Reading[];
  readonly times: ServiceTimes;
  readonly measured: MeasuredPoint;
}

/** A batch may take this share of the SLO: with the one that runs before it that is all of it. */
const batchShareOfSlo = 1 / 2;

export class PointMeter {
  readonly failures: { readonly point: Point; readonly reason: string }[] = [];
  readonly #tools: TuneTools;
  readonly #goal: Goal;
  readonly #batches: BatchRange;
  readonly #budgetMs: number;
  readonly #known = new Map<string, Known>();

  constructor(tools: TuneTools, goal: Goal, batches: BatchRange, budgetMs: number) {
    this.#tools = tools;
    this.#goal = goal;
    this.#batches = batches;
    this.#budgetMs = budgetMs;
  }

  get measured(): MeasuredPoint[] {
    return [...this.#known.values()].map(({ measured }) => measured);
  }

  /** @param open of this point already; it is closed here. @returns undefined when the setting cannot be used. */
  async visit(point: Point, open?: OpenSetting): Promise<MeasuredPoint | undefined> {
    const { signal } = this.#tools;
    let setting = open;
    try {
      setting ??= await this.#tools.open(point);
      const { readings } = await setting.saturate({
        batchSizes: this.#batches.sizes,
        budgetMs: this.#budgetMs,
        limitMs: this.#goal.sloMs * batchShareOfSlo,
      });
      const before = this.#known.get(pointKey(point));
      const all = [...(before?.readings ?? []), ...readings];
      const times = new ServiceTimes(all);
      const measured = this.#judge(point, times, (before?.measured.visits ?? 0) + 1);
      this.#known.set(pointKey(point), { readings: all, times, measured });
      return measured;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof HotpathError) || open !== undefined) throw error;
      this.failures.push({ point, reason: error.message });
      return undefined;
    } finally {
      await setting?.close();
    }
  }

  times(point: Point): ServiceTimes {
    return this.#known.get(pointKey(point))!.times;
  }

  /** A measured point with another batch than its best one. */
  withBatch(point: Point, maxBatchSize: number): MeasuredPoint {
    const { times, measured } = this.#known.get(pointKey(point))!;
    const largest = Math.max(...times.rows);
    const setting = { times, instances: point.instances, maxBatchSize: Math.min(maxBatchSize, largest) };
    return { ...measured, ...scoreBatch(setting, threadsOf(point), this.#goal) };
  }

  #judge(point: Point, times: ServiceTimes, visits: number): MeasuredPoint {
    const { fixed } = this.#batches;
    const batches = fixed === undefined ? times.rows : [Math.min(fixed, times.rows.at(-1)!)];
    const score = scoreBest(times, point.instances, threadsOf(point), batches, this.#goal);
    return { ...score, ...times.prior, point, visits };
  }
}

function threadsOf({ instances, intraOpThreads }: Point): number {
  return instances * intraOpThreads;
}
