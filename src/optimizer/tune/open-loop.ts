/**
 * Requests at a given rate, whatever becomes of them, through the real batcher to a loaded model: what a server would reach less its
 * protocol. Latency counts from the intended time. Called in the process that has the model open, for the final check of `tune`.
 */
import { Batcher } from '../../core/batching/batcher.ts';
import { CostModel } from '../../core/batching/cost-model.ts';
import { type OpenedModel, request, silent } from './saturate.ts';
import { percentile } from './score.ts';

export interface OpenLoopJob {
  /** Milliseconds between requests, used again from the start when they are over. */
  readonly gapsMs: readonly number[];
  /** The gap to begin with: other rounds see other parts of the traffic. */
  readonly firstGap: number;
  readonly durationMs: number;
  readonly sloMs: number;
  readonly maxBatchSize: number;
  /** What the scheduler believes at first. */
  readonly prior: { readonly perRowMs: number; readonly fixedMs: number };
}

export interface OpenLoopResult {
  readonly offered: number;
  readonly inTime: number;
  /** Until the last answer. */
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** As the server's own defaults: not what is measured here. */
const maxQueueRows = 1_000_000;

export async function runOpenLoop(model: OpenedModel, job: OpenLoopJob): Promise<OpenLoopResult> {
  const { clock, view, instances, batchable, random, rows } = model;
  const { sloMs, maxBatchSize, gapsMs, durationMs } = job;
  const batcher = new Batcher({
    model: view,
    instances,
    clock,
    random,
    telemetry: silent,
    cost: new CostModel(job.prior),
    batchable,
    maxBatchSize,
    maxDelayMs: undefined,
    sloMs,
    maxQueueRows,
    maxQueueBytes: Number.MAX_SAFE_INTEGER,
  });
  const latenciesMs: number[] = [];
  const startMs = clock.now();
  let offered = 0;
  const send = (intendedMs: number) => {
    const inputs = rows[offered++ % rows.length]!;
    batcher.submit(inputs, request(intendedMs)).then(
      () => void latenciesMs.push(clock.now() - intendedMs),
      // Refused or too late: offered, and not answered.
      () => {},
    );
  };
  let gap = job.firstGap;
  let nextMs = startMs;
  const advance = () => {
    nextMs += gapsMs[gap++ % gapsMs.length]!;
  };
  advance();
  while (nextMs < startMs + durationMs) {
    while (nextMs <= clock.now() && nextMs < startMs + durationMs) {
      // A client would have left: what this thread cannot even hand over must not pile up.
      if (clock.now() - nextMs > sloMs) offered++;
      else send(nextMs);
      advance();
    }
    const waitMs = nextMs - clock.now();
    await new Promise<void>((resolve) => void clock.after(Math.max(0, waitMs), resolve));
  }
  await batcher.close();
  const seconds = (clock.now() - startMs) / 1000;
  const sorted = Float64Array.from(latenciesMs).sort();
  const inTime = latenciesMs.filter((ms) => ms <= sloMs).length;
  return { offered, inTime, seconds, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99) };
}
