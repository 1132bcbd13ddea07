/**
 * Times variants against each other on this machine: round by round each once, so that whatever else the machine does meets all alike.
 * Called by optimize.ts. Each model runs in its own process with one thread; a speed-up is the median of the rounds' own ratios.
 */
import type { Rows } from '../data/rows.ts';
import type { Feeds, OpenModel } from '../pass.ts';
import type { BatchTiming, Measure } from './result.ts';

export interface TimedModel extends OpenModel {
  time(
    feeds: Feeds,
    budgetMs: number,
  ): Promise<{ readonly durationsMs: readonly number[]; readonly residentBytes: number }>;
}

export interface Contestant {
  readonly id: string;
  readonly open: () => Promise<TimedModel>;
}

export interface BenchOptions {
  /** Sizes to try; those that would take too long are left out. @default [1, 8, 32] */
  readonly batches?: readonly number[];
  /** For each batch size, all contestants together; a guide, no limit. @default 10000 */
  readonly batchMs?: number | undefined;
  /** @default as many as `batchMs` hold, 7 to 15 */
  readonly rounds?: number | undefined;
  /** Whether all models may be in memory at once. @default true */
  readonly keepOpen?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (share: number, what: string) => void;
}

export interface BenchResult {
  readonly timings: readonly BatchTiming[];
  readonly residentBytes: number;
  /** Set when it could not be run. */
  readonly failure: string | undefined;
}

/** A batch is left out when one run of the original would take longer. */
const mostRunMs = 2000;
/**
 * Where its weights happen to lie in memory makes a process up to a tenth faster or slower for as long as it lives. Models that are quick to
 * open are opened several times, so that the interval knows of that.
 */
const lives = 3;
const quickOpenMs = 500;

/** @param contestants the original first @returns in their order */
export async function compareSpeed(
  contestants: readonly Contestant[],
  rows: Rows,
  {
    batches = [1, 8, 32],
    batchMs = 10_000,
    rounds: asked,
    keepOpen = true,
    signal,
    onProgress = () => {},
  }: BenchOptions = {},
): Promise<BenchResult[]> {
  const runs = contestants.map((contestant) => new Run(contestant, keepOpen));
  try {
    const tried: number[] = [];
    const budgetMs = Math.min(mostBudgetMs, batchMs / mostRounds / runs.length);
    for (const [index, batch] of batches.entries()) {
      const expectedMs = (runs[0]!.median(tried.at(-1)) * batch) / (tried.at(-1) ?? 1);
      if (index > 0 && expectedMs > mostRunMs) break;
      const feeds = batchOf(rows, batch);
      // Opening anew each time costs more than the runs.
      const timeMs = keepOpen ? batchMs : 0;
      const rounds = asked ?? roundsFor(runs.length * Math.max(budgetMs, expectedMs), timeMs);
      for (let round = 0; round < rounds; round++) {
        for (const run of rotated(runs, round)) {
          signal?.throwIfAborted();
          onProgress(
            (index + round / rounds) / batches.length,
            `timing ${batch} ${batch === 1 ? 'row' : 'rows'}: ${run.id}`,
          );
          if (round > 0 && round % Math.ceil(rounds / lives) === 0) await run.startAnew();
          await run.measure(batch, feeds, budgetMs);
        }
      }
      tried.push(batch);
    }
    return runs.map((run) => run.result(tried, runs[0]!));
  } finally {
    await Promise.all(runs.map((run) => run.close()));
  }
}

const mostRounds = 15;
const fewestRounds = 7;
const mostBudgetMs = 150;

/** Of long runs few: nobody waits a minute for one cell of a table. */
function roundsFor(roundMs: number, batchMs: number): number {
  return Math.max(fewestRounds, Math.min(mostRounds, Math.floor(batchMs / roundMs)));
}

/** Another one starts each round: being first after the change of batch is no advantage of one. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

/** Rows from the start, again and again where there are too few. */
function batchOf(rows: Rows, batch: number): Feeds {
  return rows.take(Array.from({ length: batch }, (_, index) => index % rows.rows)).slice(0, batch);
}

class Run {
  readonly id: string;
  readonly #contestant: Contestant;
  readonly #keepOpen: boolean;
  /** Medians of the rounds, by batch. */
  readonly #medians = new Map<number, number[]>();
  #model: TimedModel | undefined;
  #openMs = 0;
  #residentBytes = 0;
  #failure: string | undefined;

  constructor(contestant: Contestant, keepOpen: boolean) {
    this.id = contestant.id;
    this.#contestant = contestant;
    this.#keepOpen = keepOpen;
  }

  async measure(batch: number, feeds: Feeds, budgetMs: number): Promise<void> {
    if (this.#failure !== undefined) return;
    try {
      this.#model ??= await this.#open();
      const { durationsMs, residentBytes } = await this.#model.time(feeds, budgetMs);
      this.#medians.set(batch, [...(this.#medians.get(batch) ?? []), medianOf(durationsMs)]);
      this.#residentBytes = Math.max(this.#residentBytes, residentBytes);
    } catch (error) {
      this.#failure = (error as Error).message;
    } finally {
      if (!this.#keepOpen) await this.close();
    }
  }

  async #open(): Promise<TimedModel> {
    const startMs = performance.now();
    const model = await this.#contestant.open();
    this.#openMs = performance.now() - startMs;
    return model;
  }

  /** In another process, the next time. */
  async startAnew(): Promise<void> {
    if (this.#openMs < quickOpenMs) await this.close();
  }

  median(batch: number | undefined): number {
    return batch === undefined ? 0 : medianOf(this.#medians.get(batch) ?? [0]);
  }

  result(batches: readonly number[], original: Run): BenchResult {
    const failure = this.#failure;
    if (failure !== undefined) return { timings: [], residentBytes: 0, failure };
    const timings = batches.flatMap((batch): BatchTiming[] => {
      const [own, others] = [this.#medians.get(batch) ?? [], original.#medians.get(batch) ?? []];
      if (own.length === 0 || own.length !== others.length) return [];
      return [{ batch, ms: measureOf(own), speedup: measureOf(own.map((ms, round) => others[round]! / ms)) }];
    });
    return { timings, residentBytes: this.#residentBytes, failure };
  }

  async close(): Promise<void> {
    const model = this.#model;
    this.#model = undefined;
    await model?.close();
  }
}

/**
 * The median with the interval that holds the true one with 95 % confidence, by order statistics: no assumption on how times are
 * distributed. Of 7 values all, of 15 the fourth to the twelfth. https://en.wikipedia.org/wiki/Median#Confidence_intervals
 */
export function measureOf(values: readonly number[]): Measure {
  const sorted = values.toSorted((a, b) => a - b);
  const cut = leftOut(sorted.length);
  return { median: medianOf(values), low: sorted[cut]!, high: sorted[sorted.length - 1 - cut]! };
}

/** How many values may be dropped at each end: the true median lies beyond the k-th with the binomial probability of fewer than k heads. */
function leftOut(count: number): number {
  let ways = 1;
  let tail = 0;
  for (let dropped = 0; ; dropped++) {
    tail += ways / 2 ** count;
    if (2 * tail > 0.05) return Math.max(0, dropped - 1);
    ways = (ways * (count - dropped)) / (dropped + 1);
  }
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
