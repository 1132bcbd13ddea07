/**
 * The counters of a model version in the terms of Triton's statistics, for the protocols that show them. Derived on request from
 * what metrics count anyway. Plain data: one process sends them to another, which adds them up.
 */
import type { BucketCounter } from './bucket-counter.ts';
import type { ModelMeter } from './model-meter.ts';

interface Total {
  readonly count: number;
  readonly ns: number;
}

interface BatchTotal {
  readonly rows: number;
  readonly computeInput: Total;
  readonly computeInfer: Total;
  readonly computeOutput: Total;
}

const totals = [
  'success',
  'fail',
  'queue',
  'computeInput',
  'computeInfer',
  'computeOutput',
  'cacheHit',
  'cacheMiss',
] as const;

export type TritonCounters = {
  readonly model: string;
  readonly version: string;
  readonly lastInferenceMs: number;
  readonly inferenceRows: number;
  readonly executions: number;
  readonly batches: readonly BatchTotal[];
} & { readonly [Name in (typeof totals)[number]]: Total };

const none: Total = { count: 0, ns: 0 };

export function tritonCounters(meter: ModelMeter): TritonCounters {
  const protocols = [...meter.protocols.values()];
  const { decode, queue, batch, infer, encode } = meter.stageDurations;
  return {
    model: meter.model,
    version: meter.version,
    lastInferenceMs: meter.lastBatchMs,
    inferenceRows: meter.batchRows.sum,
    executions: meter.batchRows.count,
    success: sum(protocols.map(({ ok }) => ok)),
    fail: sum(protocols.map(({ error }) => error)),
    queue: sum([queue]),
    // Parsing, the tensors, and their way to the engine and back.
    computeInput: { count: batch.count, ns: sum([decode, batch]).ns },
    computeInfer: sum([infer]),
    computeOutput: sum([encode]),
    cacheHit: none,
    cacheMiss: none,
    batches: batchesOf(meter),
  };
}

/** What several processes counted, together. */
export function addTritonCounters(processes: readonly (readonly TritonCounters[])[]): TritonCounters[] {
  const sums = new Map<string, TritonCounters>();
  for (const one of processes.flat()) {
    const key = `${one.model}/${one.version}`;
    const known = sums.get(key);
    sums.set(key, known === undefined ? one : add(known, one));
  }
  return [...sums.values()];
}

function add(a: TritonCounters, b: TritonCounters): TritonCounters {
  return {
    ...a,
    ...Object.fromEntries(totals.map((name) => [name, addTotal(a[name], b[name])])),
    lastInferenceMs: Math.max(a.lastInferenceMs, b.lastInferenceMs),
    inferenceRows: a.inferenceRows + b.inferenceRows,
    executions: a.executions + b.executions,
    batches: addBatches([...a.batches, ...b.batches]),
  };
}

function addBatches(batches: readonly BatchTotal[]): BatchTotal[] {
  const sums = new Map<number, BatchTotal>();
  for (const one of batches) {
    const known = sums.get(one.rows);
    if (known === undefined) sums.set(one.rows, one);
    else {
      sums.set(one.rows, {
        rows: one.rows,
        computeInput: addTotal(known.computeInput, one.computeInput),
        computeInfer: addTotal(known.computeInfer, one.computeInfer),
        computeOutput: addTotal(known.computeOutput, one.computeOutput),
      });
    }
  }
  return [...sums.values()].sort((a, b) => a.rows - b.rows);
}

function addTotal(a: Total, b: Total): Total {
  return { count: a.count + b.count, ns: a.ns + b.ns };
}

function sum(counters: readonly BucketCounter[]): Total {
  let count = 0;
  let ms = 0;
  for (const counter of counters) {
    count += counter.count;
    ms += counter.sum;
  }
  return { count, ns: ms * 1e6 };
}

function batchesOf({ batchSizes }: ModelMeter): BatchTotal[] {
  return [...batchSizes]
    .sort(([a], [b]) => a - b)
    .map(([rows, { count, inferMs }]) => ({
      rows,
      computeInput: { count, ns: 0 },
      computeInfer: { count, ns: inferMs * 1e6 },
      computeOutput: { count, ns: 0 },
    }));
}
