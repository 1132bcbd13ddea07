/**
 * The one table of metrics: type, help, labels, unit, and how values of several processes merge. The collectors look
 * their families up here and docs/reference/metrics.md is generated from it, so no metric can exist without an entry.
 */
import { durationBoundsSeconds, rowBounds } from './bucket-counter.ts';
import type { MergeRule } from './exposition.ts';

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly unit: string;
  readonly merge: MergeRule;
}

const model = ['model', 'version'] as const;

const counter = (
  unit: string,
  labels: readonly string[],
  help: string,
  merge: MergeRule = 'sum',
): MetricDefinition => ({
  type: 'counter',
  help,
  labels,
  unit,
  merge,
});
const gauge = (unit: string, merge: MergeRule, labels: readonly string[], help: string): MetricDefinition => ({
  type: 'gauge',
  help,
  labels,
  unit,
  merge,
});
const histogram = (unit: string, labels: readonly string[], help: string): MetricDefinition => ({
  type: 'histogram',
  help,
  labels,
  unit,
  merge: 'sum',
});

/** Hotpath's own metrics; names are exposed with the prefix `hotpath_`. */
export const metricDefinitions = {
  requests_total: counter(
    'requests',
    [...model, 'protocol', 'code'],
    'Answered requests. code is OK or the error code; requests that never reached a model have no model label.',
  ),
  request_duration_seconds: histogram(
    'seconds',
    [...model, 'protocol', 'outcome'],
    'From the arrival of the request to its encoded answer. outcome is ok or error.',
  ),
  stage_duration_seconds: histogram(
    'seconds',
    [...model, 'stage'],
    'Where successful requests spent their time: decode, queue, batch (merge and hand-over), infer, encode (all since the batch came back).',
  ),
  batch_size: histogram('rows', model, 'Rows per executed batch.'),
  batches_total: counter('batches', [...model, 'reason'], 'Executed batches by the reason they left the queue.'),
  shed_total: counter('requests', [...model, 'reason'], 'Requests refused at admission, by reason.'),
  deadline_exceeded_total: counter('requests', model, 'Admitted requests whose deadline passed before their answer.'),
  cancelled_total: counter('requests', model, 'Requests whose client left before the answer.'),
  queue_depth: gauge('rows', 'sum', model, 'Rows waiting for an instance.'),
  queue_requests: gauge('requests', 'sum', model, 'Requests waiting for an instance.'),
  queue_bytes: gauge('bytes', 'sum', model, 'Bytes of input tensors waiting for an instance.'),
  in_flight: gauge('requests', 'sum', model, 'Predictions admitted and not yet answered.'),
  workers: gauge('workers', 'sum', model, 'Engine instances of the model, one thread with one session each.'),
  workers_available: gauge('workers', 'sum', model, 'Engine instances that are not being replaced.'),
  worker_busy_seconds_total: counter(
    'seconds',
    model,
    'Time engine instances spent running batches, added when a run ends.',
  ),
  worker_busy_ratio: gauge(
    'ratio',
    'average',
    model,
    'Share of the instances’ time spent running batches, over the last second or since the previous scrape if longer.',
  ),
  worker_restarts_total: counter('restarts', [...model, 'cause'], 'Engine workers replaced after a crash or a hang.'),
  model_loaded_info: gauge('1', 'first', [...model, 'provider', 'batching'], 'One per loaded model version.'),
  model_loads_total: counter('loads', model, 'Successful loads.'),
  model_load_failures_total: counter('loads', model, 'Failed loads.'),
  model_load_seconds: gauge(
    'seconds',
    'max',
    model,
    'Duration of the last successful load, probe and warm-up included.',
  ),
  model_memory_bytes: gauge('bytes', 'sum', model, 'Measured memory of the loaded model.'),
  est_capacity_rows_per_second: gauge(
    'rows per second',
    'sum',
    model,
    'Learned: rows per second at the largest batch.',
  ),
  est_row_cost_seconds: gauge('seconds', 'average', model, 'Learned: time one more row adds to a batch.'),
  est_batch_cost_seconds: gauge('seconds', 'average', model, 'Learned: fixed time of a batch.'),
  slo_infeasible: gauge('0 or 1', 'max', model, '1 when even a lone row is predicted to miss the SLO.'),
  cache_rows_total: counter(
    'rows',
    [...model, 'outcome'],
    'Rows of models with a cache by where their answer came from: memory, redis, database, miss, bypass; joined: from another request that computed the same; stale: given past its time, in addition.',
  ),
  cache_tier_operations_total: counter(
    'calls',
    [...model, 'tier', 'operation', 'result'],
    'Reads and writes of cache tiers beyond memory. skipped: not tried, because the tier failed lately or too much waits.',
  ),
  cache_tier_duration_seconds: histogram(
    'seconds',
    [...model, 'tier', 'operation'],
    'Time of such a call, up to the moment the request went on without it.',
  ),
  cache_entries: gauge('entries', 'sum', [], 'Entries of the memory tier: cached rows and features.'),
  cache_bytes: gauge('bytes', 'sum', [], 'Bytes they occupy.'),
  cache_max_bytes: gauge('bytes', 'sum', [], 'Bytes they may occupy.'),
  cache_evictions_total: counter('entries', [], 'Entries that went for lack of room.'),
  features_total: counter('entities', ['outcome'], 'Entities of requests by where their features came from.'),
  predictions_written_total: counter('predictions', [], 'Predictions that are in the database.'),
  predictions_dropped_total: counter(
    'predictions',
    [],
    'Predictions that were not recorded: too many waited, or the database did not take them.',
  ),
  predictions_failed_batches_total: counter('batches', [], 'Batches the database refused; they are tried again.'),
  predictions_waiting: gauge('predictions', 'sum', [], 'Predictions that wait to be written.'),
  access_refused_total: counter('requests', ['reason'], 'Requests refused for their credentials, rights or rates.'),
  tasks: gauge('tasks', 'sum', ['state'], 'Background tasks that are kept: waiting, running, done, failed, cancelled.'),
  pool_size: gauge('connections', 'sum', ['kind', 'pool'], 'Open connections of a pool.'),
  pool_max_size: gauge('connections', 'sum', ['kind', 'pool'], 'Connections it may open.'),
  pool_in_use: gauge('connections', 'sum', ['kind', 'pool'], 'Connections with work on them.'),
  pool_idle: gauge('connections', 'sum', ['kind', 'pool'], 'Connections without.'),
  pool_waiting: gauge('callers', 'sum', ['kind', 'pool'], 'Callers that wait for a connection.'),
  pool_acquired_total: counter('acquisitions', ['kind', 'pool'], 'Times a connection was taken.'),
  pool_wait_seconds_total: counter('seconds', ['kind', 'pool'], 'Time callers waited for a connection.'),
  pool_timeouts_total: counter('callers', ['kind', 'pool'], 'Callers that gave up waiting.'),
  pool_recycled_total: counter('connections', ['kind', 'pool'], 'Connections closed for their age or a failure.'),
  pool_errors_total: counter('errors', ['kind', 'pool'], 'Connections and calls that failed.'),
  process_cpu_seconds_total: counter('seconds', ['mode'], 'CPU time of the process, engine threads included.'),
  process_resident_memory_bytes: gauge('bytes', 'sum', [], 'Resident memory.'),
  process_heap_used_bytes: gauge('bytes', 'sum', [], 'JavaScript heap in use, main thread.'),
  process_heap_total_bytes: gauge('bytes', 'sum', [], 'JavaScript heap reserved, main thread.'),
  process_external_memory_bytes: gauge(
    'bytes',
    'sum',
    [],
    'Memory of C++ objects bound to JavaScript, buffers included.',
  ),
  process_open_fds: gauge('descriptors', 'sum', [], 'Open file descriptors.'),
  process_start_time_seconds: gauge('seconds', 'min', [], 'Start of the process, Unix time.'),
  gc_duration_seconds_total: counter('seconds', ['kind'], 'Time the main thread spent collecting garbage.'),
  gc_runs_total: counter('collections', ['kind'], 'Garbage collections of the main thread.'),
  event_loop_delay_seconds: gauge(
    'seconds',
    'max',
    ['quantile'],
    'Lateness of the event loop since the previous scrape (0.5, 0.9, 0.99).',
  ),
  event_loop_utilization_ratio: gauge('ratio', 'max', [], 'Busy share of the event loop since the previous scrape.'),
  system_cpu_cores: gauge('cores', 'first', [], 'Cores granted to the process by the cgroup, or those of the machine.'),
  system_cpu_utilization_ratio: gauge(
    'ratio',
    'first',
    [],
    'Busy share of the machine’s cores since the previous scrape.',
  ),
  system_load1: gauge('tasks', 'first', [], 'Load average of the machine over one minute.'),
  system_memory_limit_bytes: gauge('bytes', 'first', [], 'Memory limit of the cgroup, or the memory of the machine.'),
  system_memory_used_bytes: gauge(
    'bytes',
    'first',
    [],
    'Memory in use under that limit, reclaimable file cache excluded.',
  ),
  build_info: gauge('1', 'first', ['version', 'node'], 'Versions of Hotpath and Node.'),
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof metricDefinitions;

/** Triton's names, exposed in addition with `metricsNv`; derived at scrape time from the same counters. */
export const nvMetricDefinitions = {
  nv_inference_request_success: counter('requests', model, 'Number of successful inference requests, all batch sizes.'),
  nv_inference_request_failure: counter('requests', [...model, 'reason'], 'Number of failed inference requests.'),
  nv_inference_count: counter('rows', model, 'Number of inferences performed (a batch of n counts n).'),
  nv_inference_exec_count: counter('batches', model, 'Number of model executions performed.'),
  nv_inference_pending_request_count: gauge('requests', 'sum', model, 'Requests waiting for execution.'),
  nv_inference_request_duration_us: counter('microseconds', model, 'Cumulative request duration of successes.'),
  nv_inference_queue_duration_us: counter('microseconds', model, 'Cumulative queuing duration.'),
  nv_inference_compute_input_duration_us: counter('microseconds', model, 'Cumulative duration of preparing inputs.'),
  nv_inference_compute_infer_duration_us: counter('microseconds', model, 'Cumulative duration of executing the model.'),
  nv_inference_compute_output_duration_us: counter('microseconds', model, 'Cumulative duration of writing outputs.'),
  nv_cpu_utilization: gauge('ratio', 'first', [], 'CPU utilization of the machine, 0.0 to 1.0.'),
  nv_cpu_memory_total_bytes: gauge('bytes', 'first', [], 'Total memory.'),
  nv_cpu_memory_used_bytes: gauge('bytes', 'first', [], 'Memory in use.'),
} as const satisfies Record<string, MetricDefinition>;

export type NvMetricName = keyof typeof nvMetricDefinitions;

/** docs/reference/metrics.md as text. Called by the docs test. */
export function metricsReference(): string {
  return `# Metrics

Generated from \`src/observability/metric-definitions.ts\`; do not edit by hand.

\`GET /metrics\` answers in the Prometheus text format. With several HTTP processes the values are merged as the last
column says. At most 200 model names and 16 versions of each get their own labels; further ones are counted under \`other\`.

Buckets of durations, in seconds: ${durationBoundsSeconds.join(', ')}.
Buckets of batch sizes, in rows: ${rowBounds.join(', ')}.

${table('hotpath_', metricDefinitions)}

## Triton's names

With \`metricsNv\` the names of the Triton Inference Server are exposed too, computed from the same counters.

${table('', nvMetricDefinitions)}
`;
}

function table(prefix: string, definitions: Readonly<Record<string, MetricDefinition>>): string {
  const rows = Object.entries(definitions).map(
    ([name, { type, unit, labels, help, merge }]) =>
      `| \`${prefix}${name}\` | ${type} | ${unit} | ${labels.join(', ') || '-'} | ${help} | ${merge} |`,
  );
  return ['| Name | Type | Unit | Labels | Meaning | Merged by |', '|---|---|---|---|---|---|', ...rows].join('\n');
}
