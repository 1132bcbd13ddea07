/**
 * Discrete-event simulation of one model under open-loop traffic, with the real scheduler and a fake clock.
 * Used by the scheduler's tests (golden goodput bounds), by the benchmark (measured against simulated) and by planning.
 */
import type { Random } from '../../ports/clock.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import { CostModel } from './cost-model.ts';
import { type Batch, GuardedPull } from './guarded-pull.ts';
import type { Work } from './work-queue.ts';

export interface SimulationOptions {
  /** Arrival times in milliseconds, ascending; one row each. */
  readonly arrivalsMs: readonly number[];
  readonly instances: number;
  readonly maxBatchSize: number;
  readonly maxDelayMs?: number;
  readonly sloMs: number;
  /** True duration of a batch of `rows` started at `atMs`. */
  readonly serviceMs: (rows: number, atMs: number) => number;
  /** What the warm-up sweep taught. */
  readonly prior: { readonly perRowMs: number; readonly fixedMs: number };
  readonly random: Random;
}

export interface SimulationResult {
  readonly offered: number;
  readonly answeredInTime: number;
  readonly answeredLate: number;
  readonly refused: number;
  readonly expired: number;
  /** answeredInTime / offered. */
  readonly goodput: number;
  readonly meanBatchRows: number;
  /** Latencies of all answers, in milliseconds, unsorted. */
  readonly latenciesMs: readonly number[];
}

export function simulate(options: SimulationOptions): SimulationResult {
  const clock = new SimulatedClock();
  const latenciesMs: number[] = [];
  let refused = 0;
  let expired = 0;
  let batches = 0;
  const scheduler = new GuardedPull<Work>({
    clock,
    random: options.random,
    instances: options.instances,
    maxBatchSize: options.maxBatchSize,
    maxDelayMs: options.maxDelayMs,
    sloMs: options.sloMs,
    maxQueueRows: 1_000_000,
    maxQueueBytes: Number.MAX_SAFE_INTEGER,
    run: (batch: Batch<Work>, instance) => {
      batches++;
      const durationMs = options.serviceMs(batch.rows, clock.now());
      clock.after(durationMs, () => {
        for (const { work } of batch.slices) latenciesMs.push(clock.now() - work.arrivalMs);
        scheduler.finished(instance, batch, durationMs);
      });
    },
    expire: () => {
      expired++;
    },
  });
  const bucket = scheduler.addBucket(new CostModel(options.prior));
  for (const arrivalMs of options.arrivalsMs) {
    clock.after(arrivalMs, () => {
      if (scheduler.offer(oneRow(arrivalMs, options.sloMs), bucket) !== undefined) refused++;
    });
  }
  clock.runToEnd();
  const answeredInTime = latenciesMs.filter((latency) => latency <= options.sloMs).length;
  return {
    offered: options.arrivalsMs.length,
    answeredInTime,
    answeredLate: latenciesMs.length - answeredInTime,
    refused,
    expired,
    goodput: answeredInTime / options.arrivalsMs.length,
    meanBatchRows: latenciesMs.length / Math.max(1, batches),
    latenciesMs,
  };
}

/** Poisson arrivals of `ratePerMs` until `untilMs`. */
export function poissonArrivals(ratePerMs: number, untilMs: number, random: Random): number[] {
  const arrivals: number[] = [];
  for (let now = exponential(ratePerMs, random); now < untilMs; now += exponential(ratePerMs, random)) {
    arrivals.push(now);
  }
  return arrivals;
}

function exponential(rate: number, random: Random): number {
  return -Math.log(1 - random()) / rate;
}

function oneRow(arrivalMs: number, sloMs: number): Work {
  return {
    rows: 1,
    bytes: 1,
    priority: 0,
    deadlineMs: arrivalMs + sloMs,
    arrivalMs,
    solo: false,
    takenRows: 0,
    sequence: 0,
    gone: false,
  };
}
