/** Turns the meters and the registry's snapshot into metric families. Runs once per scrape, never on the hot path. */
import type { LoadedStatus, ModelStatus } from '../core/registry/catalog.ts';
import { durationBoundsSeconds, rowBounds } from './bucket-counter.ts';
import type { BusyRatios } from './busy-ratios.ts';
import type { MetricFamily, ValueSample } from './exposition.ts';
import { durationSample, histogramFamily, recordSamples, valueFamily, withLabels } from './families.ts';
import type { MeterSet } from './meter-set.ts';
import type { MetricName } from './metric-definitions.ts';
import { answerCodes, type ModelMeter, stageNames } from './model-meter.ts';

/** Counters and histograms, from the meters. */
export function meterFamilies(meters: MeterSet): MetricFamily[] {
  const models = meters.all();
  const answered = [...models, meters.unrouted];
  const perModel = (name: MetricName, value: (meter: ModelMeter) => number | undefined): MetricFamily =>
    valueFamily(
      name,
      models.flatMap((meter) => sample(meter.labels, value(meter))),
    );
  return [
    valueFamily('requests_total', answered.flatMap(requestSamples)),
    histogramFamily('request_duration_seconds', durationBoundsSeconds, answered.flatMap(requestDurations)),
    histogramFamily('stage_duration_seconds', durationBoundsSeconds, models.flatMap(stageDurations)),
    histogramFamily('batch_size', rowBounds, models.flatMap(batchRows)),
    valueFamily(
      'batches_total',
      models.flatMap((meter) => recordSamples(meter.labels, 'reason', meter.releases)),
    ),
    valueFamily(
      'shed_total',
      models.flatMap((meter) => recordSamples(meter.labels, 'reason', meter.sheds)),
    ),
    perModel('deadline_exceeded_total', (meter) => meter.expiredRequests),
    perModel('cancelled_total', (meter) => meter.cancelledRequests),
    perModel('worker_busy_seconds_total', (meter) => meter.busyMs / 1000),
    valueFamily(
      'worker_restarts_total',
      models.flatMap((meter) => recordSamples(meter.labels, 'cause', meter.restarts)),
    ),
    perModel('model_loads_total', (meter) => meter.loads),
    perModel('model_load_failures_total', (meter) => meter.failedLoads),
    perModel('model_load_seconds', (meter) => (meter.lastLoadMs === undefined ? undefined : meter.lastLoadMs / 1000)),
  ];
}

/** Gauges, from what is loaded now. */
export function snapshotFamilies(snapshot: readonly ModelStatus[], meters: MeterSet, busy: BusyRatios): MetricFamily[] {
  const loaded = snapshot.flatMap((status) =>
    status.loaded === undefined ? [] : [{ meter: meters.meter(status.name, status.version), status: status.loaded }],
  );
  const ratios = busy.measure(loaded.map(({ meter, status }) => ({ meter, instances: status.instances })));
  const perModel = (name: MetricName, value: (status: LoadedStatus) => number): MetricFamily =>
    valueFamily(
      name,
      loaded.map(({ meter, status }) => ({ labels: meter.labels, value: value(status) })),
    );
  return [
    perModel('queue_depth', (status) => status.queue.rows),
    perModel('queue_requests', (status) => status.queue.requests),
    perModel('queue_bytes', (status) => status.queue.bytes),
    perModel('in_flight', (status) => status.inFlightRequests),
    perModel('workers', (status) => status.instances),
    perModel('workers_available', (status) => status.availableInstances),
    valueFamily(
      'worker_busy_ratio',
      [...ratios].map(([meter, value]) => ({ labels: meter.labels, value })),
    ),
    valueFamily(
      'model_loaded_info',
      loaded.map(({ meter, status }) => ({ labels: infoLabels(meter, status), value: 1 })),
    ),
    perModel('model_memory_bytes', (status) => status.memoryBytes),
    perModel('est_capacity_rows_per_second', (status) => status.capacityRowsPerSecond),
    perModel('est_row_cost_seconds', (status) => status.cost.perRowMs / 1000),
    perModel('est_batch_cost_seconds', (status) => status.cost.fixedMs / 1000),
    perModel('slo_infeasible', (status) => (status.sloInfeasible ? 1 : 0)),
  ];
}

/** OK is there, if as 0, once a protocol was used for the model; an error code appears with its first error. */
function requestSamples(meter: ModelMeter): ValueSample[] {
  return [...meter.protocols].flatMap(([protocol, { codes }]) =>
    answerCodes.flatMap((code, index) => {
      const value = codes[index] as number;
      if (value === 0 && !(code === 'OK' && meter.labels !== '')) return [];
      return [{ labels: withLabels(meter.labels, { protocol, code }), value }];
    }),
  );
}

const requestDurations = (meter: ModelMeter) =>
  [...meter.protocols].flatMap(([protocol, { ok, error }]) => [
    ...durationSample(meter.labels, { protocol, outcome: 'ok' }, ok),
    ...durationSample(meter.labels, { protocol, outcome: 'error' }, error),
  ]);

const stageDurations = (meter: ModelMeter) =>
  stageNames.flatMap((stage) => durationSample(meter.labels, { stage }, meter.stageDurations[stage]));

const batchRows = ({ labels, batchRows: rows }: ModelMeter) =>
  rows.count === 0 ? [] : [{ labels, counts: rows.counts, sum: rows.sum }];

const infoLabels = (meter: ModelMeter, status: LoadedStatus): string =>
  withLabels(meter.labels, { provider: status.executionProvider, batching: status.batching.enabled ? 'on' : 'off' });

const sample = (labels: string, value: number | undefined): ValueSample[] =>
  value === undefined ? [] : [{ labels, value }];
