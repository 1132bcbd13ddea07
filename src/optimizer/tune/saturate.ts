/**
 * Keeps a loaded model busy with full batches through the real batcher, on all instances at once, and reads how long a batch takes from
 * hand-over to the next one's hand-over: merging, crossing to the thread and back, and splitting are in it, as they are in a server.
 * Called in the process that has the model open.
 */
import { Batcher } from '../../core/batching/batcher.ts';
import { CostModel } from '../../core/batching/cost-model.ts';
import { HotpathError } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { EngineInstance } from '../../ports/engine.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import type { Reading } from './service-times.ts';

export interface OpenedModel {
  readonly view: ModelView;
  readonly instances: readonly EngineInstance[];
  readonly batchable: boolean;
  /** Different requests of one row, used again and again: the batcher copies them. */
  readonly rows: readonly (readonly Tensor[])[];
  readonly clock: Clock;
  readonly random: Random;
}

export interface SaturateJob {
  /** Rows per batch, ascending. */
  readonly batchSizes: readonly number[];
  /** A guide: all sizes are run once, and again as long as this lasts. */
  readonly budgetMs: number;
  /** The first size whose batches take longer is the last one. */
  readonly limitMs: number;
}

export interface Saturation {
  readonly readings: readonly Reading[];
  /** Why the size after the last one could not be run. */
  readonly failure?: string | undefined;
}

/** Rounds that the budget is meant for: the machine's mood is in them all. */
const plannedRounds = 3;
/** Of each instance, in each slice. */
const fewestTimes = 2;
/** So many times of one slice are kept, evenly from the shortest to the longest: neither mean nor median moves. */
const keptTimes = 200;
const patientMs = 3_600_000;

export async function saturate(model: OpenedModel, job: SaturateJob): Promise<Saturation> {
  const readings: Reading[] = [];
  let sizes = job.batchSizes;
  let failure: string | undefined;
  const endMs = model.clock.now() + job.budgetMs;
  do {
    const sliceMs = job.budgetMs / plannedRounds / sizes.length;
    for (const [index, rows] of sizes.entries()) {
      try {
        const ms = await fillFor(model, rows, sliceMs);
        readings.push({ rows, ms: thinned(ms) });
        if (ms.toSorted((a, b) => a - b)[ms.length >> 1]! > job.limitMs) sizes = sizes.slice(0, index + 1);
      } catch (error) {
        if (!(error instanceof HotpathError) || index === 0) throw error;
        failure = error.message;
        sizes = sizes.slice(0, index);
      }
      if (index >= sizes.length - 1) break;
    }
  } while (model.clock.now() < endMs);
  const failed = failure === undefined ? readings : readings.filter(({ rows }) => sizes.includes(rows));
  return { readings: failed, failure };
}

/** One slice. @throws whatever a run failed with */
async function fillFor(model: OpenedModel, rows: number, sliceMs: number): Promise<number[]> {
  const { clock, view, batchable, random } = model;
  const endMs = clock.now() + sliceMs;
  let stopped = false;
  let failure: unknown;
  const stop = () => {
    stopped = true;
    // What still waits is refused by the instances one batch after the other.
    for (const { close } of taps) close();
  };
  // The batcher would run the rows of a failed batch alone.
  const onFailure = (error: unknown) => {
    failure ??= error;
    stop();
  };
  const taps = model.instances.map((instance) => tap(instance, rows, clock, onFailure));
  const batcher = new Batcher({
    model: view,
    instances: taps.map(({ instance }) => instance),
    clock,
    random,
    telemetry: silent,
    cost: new CostModel(),
    batchable,
    maxBatchSize: rows,
    maxDelayMs: undefined,
    sloMs: patientMs,
    maxQueueRows: Number.MAX_SAFE_INTEGER,
    maxQueueBytes: Number.MAX_SAFE_INTEGER,
  });
  const one = async (index: number): Promise<void> => {
    const inputs = model.rows[index % model.rows.length]!;
    while (!stopped) {
      try {
        await batcher.submit(inputs, request(clock.now()));
      } catch (error) {
        if (!stopped) onFailure(error);
        return;
      }
      if (clock.now() >= endMs && taps.every(({ times }) => times.length > fewestTimes)) stop();
    }
  };
  // As many again wait as run, so that a free instance always finds a full batch.
  const callers = 2 * taps.length * rows;
  await Promise.all(Array.from({ length: callers }, (_, index) => one(index)));
  await batcher.close();
  if (failure !== undefined) throw failure;
  // The first one fills the pools of memory.
  return taps.flatMap(({ times }) => times.slice(1));
}

interface Tap {
  readonly instance: EngineInstance;
  /** Between the starts of full batches, in milliseconds. */
  readonly times: number[];
  close(): void;
}

/** The instance, with an eye on when it is given batches. */
function tap(inner: EngineInstance, rows: number, clock: Clock, onFailure: (error: unknown) => void): Tap {
  const times: number[] = [];
  let fullSinceMs: number | undefined;
  let closed = false;
  const instance: EngineInstance = {
    id: inner.id,
    get available() {
      return inner.available;
    },
    onAvailable: undefined,
    run: (inputs) => {
      if (closed) return Promise.reject(new HotpathError('SHUTTING_DOWN', 'The measurement is over.'));
      const now = clock.now();
      if (fullSinceMs !== undefined) times.push(now - fullSinceMs);
      fullSinceMs = rows === 1 || inputs[0]!.shape[0] === rows ? now : undefined;
      const run = inner.run(inputs);
      run.catch(onFailure);
      return run;
    },
  };
  return {
    instance,
    times,
    close: () => {
      closed = true;
    },
  };
}

export function request(arrivalMs: number) {
  return { priority: 0, arrivalMs, timeoutMs: undefined, solo: false, cancel: undefined } as const;
}

function thinned(times: readonly number[]): number[] {
  if (times.length <= keptTimes) return [...times];
  const sorted = times.toSorted((a, b) => a - b);
  const step = sorted.length / keptTimes;
  return Array.from({ length: keptTimes }, (_, index) => sorted[Math.floor((index + 0.5) * step)]!);
}

const nothing = () => {};

export const silent: ModelTelemetry = {
  request: nothing,
  stages: nothing,
  batch: nothing,
  shed: nothing,
  expired: nothing,
  cancelled: nothing,
  workerRestarted: nothing,
  cacheRows: nothing,
  cacheTier: nothing,
};
