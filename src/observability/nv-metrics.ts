/**
 * Triton's metric names, for dashboards and autoscalers written for it. Everything is derived at scrape time from the counters and the
 * system figures that already exist; nothing is counted a second time. Off by default (`metricsNv`).
 */
import type { ErrorCode } from '../core/errors.ts';
import type { LoadedStatus, ModelStatus } from '../core/registry/catalog.ts';
import type { MetricFamily, ValueSample } from './exposition.ts';
import { definedFamily, withLabels } from './families.ts';
import type { MeterSet } from './meter-set.ts';
import { type NvMetricName, nvMetricDefinitions } from './metric-definitions.ts';
import { answerCodes, type ModelMeter, type StageName } from './model-meter.ts';
import type { SystemStats } from './system-stats.ts';

type FailureReason = 'REJECTED' | 'CANCELED' | 'BACKEND' | 'OTHER';
const failureReasons: readonly FailureReason[] = ['REJECTED', 'CANCELED', 'BACKEND', 'OTHER'];

const reasonOf = {
  INVALID_INPUT: 'OTHER',
  PAYLOAD_TOO_LARGE: 'OTHER',
  UNSUPPORTED_MEDIA_TYPE: 'OTHER',
  NOT_FOUND: 'OTHER',
  MODEL_NOT_FOUND: 'OTHER',
  MODEL_NOT_READY: 'REJECTED',
  MODEL_FAILED: 'OTHER',
  OVERLOADED: 'REJECTED',
  UNAUTHENTICATED: 'OTHER',
  PERMISSION_DENIED: 'OTHER',
  RATE_LIMITED: 'REJECTED',
  DEADLINE_EXCEEDED: 'REJECTED',
  CANCELLED: 'CANCELED',
  POISON_INPUT: 'BACKEND',
  ENGINE_FAILED: 'BACKEND',
  ENGINE_CRASHED: 'BACKEND',
  SHUTTING_DOWN: 'REJECTED',
  UNSUPPORTED: 'OTHER',
  INTERNAL: 'OTHER',
} as const satisfies Record<ErrorCode, FailureReason>;

export function nvFamilies(meters: MeterSet, snapshot: readonly ModelStatus[], system: SystemStats): MetricFamily[] {
  const models = meters.all();
  const family = (name: NvMetricName, samples: readonly ValueSample[]): MetricFamily =>
    definedFamily(name, nvMetricDefinitions[name], samples);
  const perModel = (name: NvMetricName, value: (meter: ModelMeter) => number): MetricFamily =>
    family(
      name,
      models.map((meter) => ({ labels: meter.labels, value: value(meter) })),
    );
  const pending = ({ name, version }: ModelStatus, loaded: LoadedStatus): ValueSample => ({
    labels: meters.meter(name, version).labels,
    value: loaded.queue.requests,
  });
  return [
    perModel('nv_inference_request_success', (meter) => countCode(meter, 0)),
    family('nv_inference_request_failure', models.flatMap(failureSamples)),
    perModel('nv_inference_count', (meter) => meter.batchRows.sum),
    perModel('nv_inference_exec_count', (meter) => meter.batchRows.count),
    family(
      'nv_inference_pending_request_count',
      snapshot.flatMap((status) => (status.loaded === undefined ? [] : [pending(status, status.loaded)])),
    ),
    perModel('nv_inference_request_duration_us', successMicroseconds),
    perModel('nv_inference_queue_duration_us', stageMicroseconds('queue')),
    perModel('nv_inference_compute_input_duration_us', stageMicroseconds('batch')),
    perModel('nv_inference_compute_infer_duration_us', stageMicroseconds('infer')),
    perModel('nv_inference_compute_output_duration_us', stageMicroseconds('encode')),
    family('nv_cpu_utilization', [{ labels: '', value: system.cpuUtilizationRatio }]),
    family('nv_cpu_memory_total_bytes', [{ labels: '', value: system.memoryLimitBytes }]),
    family('nv_cpu_memory_used_bytes', [{ labels: '', value: system.memoryUsedBytes }]),
  ];
}

function countCode(meter: ModelMeter, index: number): number {
  let count = 0;
  for (const { codes } of meter.protocols.values()) count += codes[index] as number;
  return count;
}

/** All four reasons are there from the start, as Triton does. */
function failureSamples(meter: ModelMeter): ValueSample[] {
  return failureReasons.map((reason) => {
    let value = 0;
    for (const [index, code] of answerCodes.entries()) {
      if (code !== 'OK' && reasonOf[code] === reason) value += countCode(meter, index);
    }
    return { labels: withLabels(meter.labels, { reason }), value };
  });
}

function successMicroseconds(meter: ModelMeter): number {
  let ms = 0;
  for (const { ok } of meter.protocols.values()) ms += ok.sum;
  return Math.round(ms * 1000);
}

const stageMicroseconds =
  (stage: StageName) =>
  (meter: ModelMeter): number =>
    Math.round(meter.stageDurations[stage].sum * 1000);
