/**
 * Counters of a model version in Triton's statistics form, for REST and gRPC. `ModelStatisticsSource` is what the composition
 * root must provide from the counters it has; nothing is counted here. Pure.
 */
import type { ModelStatus } from '../../core/registry/catalog.ts';

/** How often, and how many nanoseconds in all. */
export interface DurationTotal {
  readonly count: number;
  readonly ns: number;
}

/** All executed batches of one size. */
export interface BatchTotal {
  readonly rows: number;
  readonly computeInput: DurationTotal;
  readonly computeInfer: DurationTotal;
  readonly computeOutput: DurationTotal;
}

/** Since the process started. Cache hits count in `success` and `queue` only. */
export interface ModelCounters {
  /** Milliseconds since 1970 of the latest inference; 0 when there was none. */
  readonly lastInferenceMs: number;
  /** Rows of successful requests. */
  readonly inferenceRows: number;
  /** Batches run. */
  readonly executions: number;
  /** Whole requests that were answered, and that failed. */
  readonly success: DurationTotal;
  readonly fail: DurationTotal;
  readonly queue: DurationTotal;
  readonly computeInput: DurationTotal;
  readonly computeInfer: DurationTotal;
  readonly computeOutput: DurationTotal;
  readonly cacheHit: DurationTotal;
  readonly cacheMiss: DurationTotal;
  /** Ascending by rows. */
  readonly batches: readonly BatchTotal[];
}

export interface ModelStatisticsSource {
  /** Undefined when nothing was ever counted for this version. */
  counters(model: string, version: string): ModelCounters | undefined;
}

interface BatchStats {
  readonly batch_size: number;
  readonly compute_input: DurationTotal;
  readonly compute_infer: DurationTotal;
  readonly compute_output: DurationTotal;
}

/** One entry of `model_stats`; names as in the protocol. */
export interface ModelStats {
  readonly name: string;
  readonly version: string;
  readonly last_inference: number;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<(typeof phases)[number], DurationTotal>>;
  /** Of models with several answers per request: none. */
  readonly response_stats: Readonly<Record<string, never>>;
  readonly batch_stats: readonly BatchStats[];
  readonly memory_usage: readonly { readonly type: 'CPU'; readonly id: 0; readonly byte_size: number }[];
}

const phases = [
  'success',
  'fail',
  'queue',
  'compute_input',
  'compute_infer',
  'compute_output',
  'cache_hit',
  'cache_miss',
] as const;

const none: DurationTotal = { count: 0, ns: 0 };

const unused: ModelCounters = {
  lastInferenceMs: 0,
  inferenceRows: 0,
  executions: 0,
  success: none,
  fail: none,
  queue: none,
  computeInput: none,
  computeInfer: none,
  computeOutput: none,
  cacheHit: none,
  cacheMiss: none,
  batches: [],
};

/** Whole nanoseconds and counts, as the protocol's integers want them. */
export function modelStats({ name, version, loaded }: ModelStatus, source: ModelStatisticsSource): ModelStats {
  const counters = source.counters(name, version) ?? unused;
  return {
    name,
    version,
    last_inference: Math.floor(counters.lastInferenceMs),
    inference_count: counters.inferenceRows,
    execution_count: counters.executions,
    inference_stats: {
      success: whole(counters.success),
      fail: whole(counters.fail),
      queue: whole(counters.queue),
      compute_input: whole(counters.computeInput),
      compute_infer: whole(counters.computeInfer),
      compute_output: whole(counters.computeOutput),
      cache_hit: whole(counters.cacheHit),
      cache_miss: whole(counters.cacheMiss),
    },
    response_stats: {},
    batch_stats: counters.batches.map(batchStats),
    memory_usage: loaded === undefined ? [] : [{ type: 'CPU', id: 0, byte_size: Math.round(loaded.memoryBytes) }],
  };
}

function batchStats({ rows, computeInput, computeInfer, computeOutput }: BatchTotal): BatchStats {
  return {
    batch_size: rows,
    compute_input: whole(computeInput),
    compute_infer: whole(computeInfer),
    compute_output: whole(computeOutput),
  };
}

function whole({ count, ns }: DurationTotal): DurationTotal {
  return { count, ns: Math.round(ns) };
}
