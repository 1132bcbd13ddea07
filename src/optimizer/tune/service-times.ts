/**
 * What was measured of one setting, as the simulator needs it: how long a batch of any size takes, with the scatter that was seen. Made
 * by tune.ts from the readings of a saturated model. Pure.
 */
import { CostModel } from '../../core/batching/cost-model.ts';
import type { Random } from '../../ports/clock.ts';

/** Turnaround times of full batches of one size, with all instances at work. */
export interface Reading {
  readonly rows: number;
  readonly ms: readonly number[];
}

interface Size {
  readonly rows: number;
  readonly medianMs: number;
  /** Measured times as multiples of the median, ascending. */
  readonly scatter: readonly number[];
}

export class ServiceTimes {
  readonly #sizes: readonly Size[];
  readonly #prior: { readonly perRowMs: number; readonly fixedMs: number };

  /** @param readings in the order they were taken; several of one size are joined */
  constructor(readings: readonly Reading[]) {
    this.#sizes = joinSizes(readings);
    this.#prior = learn(this.#sizes, readings);
  }

  /** Batch sizes that were measured, ascending. */
  get rows(): readonly number[] {
    return this.#sizes.map(({ rows }) => rows);
  }

  /** The line that the scheduler learns from these times. */
  get prior(): { readonly perRowMs: number; readonly fixedMs: number } {
    return this.#prior;
  }

  /** Straight between measured sizes, which a line through all of them is not. */
  medianMs(rows: number): number {
    const above = this.#sizes.findIndex((size) => size.rows >= rows);
    const upper = this.#sizes[above === -1 ? this.#sizes.length - 1 : above]!;
    const lower = this.#sizes[above - 1];
    if (above === -1 || lower === undefined) return upper.medianMs;
    const share = (rows - lower.rows) / (upper.rows - lower.rows);
    return lower.medianMs + share * (upper.medianMs - lower.medianMs);
  }

  /** What throughput hangs on. */
  meanMs(rows: number): number {
    const { scatter } = this.#sizeFor(rows);
    let sum = 0;
    for (const one of scatter) sum += one;
    return (this.medianMs(rows) * sum) / scatter.length;
  }

  /** A time as one of those that were measured would have been. */
  draw(rows: number, random: Random): number {
    const { scatter } = this.#sizeFor(rows);
    return this.medianMs(rows) * scatter[Math.floor(random() * scatter.length)]!;
  }

  #sizeFor(rows: number): Size {
    return this.#sizes.find((one) => one.rows >= rows) ?? this.#sizes.at(-1)!;
  }
}

function joinSizes(readings: readonly Reading[]): Size[] {
  const bySize = new Map<number, number[]>();
  for (const { rows, ms } of readings) bySize.set(rows, [...(bySize.get(rows) ?? []), ...ms]);
  return [...bySize]
    .filter(([, ms]) => ms.length > 0)
    .map(([rows, ms]) => {
      const sorted = ms.toSorted((a, b) => a - b);
      const medianMs = middleOf(sorted);
      return { rows, medianMs, scatter: sorted.map((one) => one / medianMs) };
    })
    .sort((a, b) => a.rows - b.rows);
}

/** As a load does it: the line through the ends first, then every reading's median. */
function learn(sizes: readonly Size[], readings: readonly Reading[]): { perRowMs: number; fixedMs: number } {
  const [first, last] = [sizes[0]!, sizes.at(-1)!];
  const spread = last.rows - first.rows;
  const slope = spread > 0 ? Math.max(0, (last.medianMs - first.medianMs) / spread) : 0;
  const cost = new CostModel({ perRowMs: slope, fixedMs: Math.max(0, first.medianMs - slope * first.rows) });
  for (const { rows, ms } of readings) {
    if (ms.length > 0) cost.observe(rows, middleOf(ms.toSorted((a, b) => a - b)));
  }
  return { perRowMs: cost.perRowMs, fixedMs: cost.fixedMs };
}

function middleOf(sorted: readonly number[]): number {
  return sorted[sorted.length >> 1]!;
}
