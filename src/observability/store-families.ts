/** Turns the figures of caches, prediction log, pools and access into metric families, once per scrape. What a server does not use has none. */
import type { PoolStatus, UpstreamPoolStatus } from '../ports/pool-status.ts';
import type { StoreFigures } from '../ports/store-figures.ts';
import { durationBoundsSeconds } from './bucket-counter.ts';
import { type MetricFamily, renderLabels } from './exposition.ts';
import { durationSample, histogramFamily, recordSamples, valueFamily, withLabels } from './families.ts';
import type { MeterSet } from './meter-set.ts';
import type { MetricName } from './metric-definitions.ts';
import type { ModelMeter } from './model-meter.ts';

/** Of the models whose cache was asked at least once. */
export function cacheMeterFamilies(meters: MeterSet): MetricFamily[] {
  const models = meters.all().filter(({ cachedRows }) => Object.values(cachedRows).some((rows) => rows > 0));
  return [
    valueFamily(
      'cache_rows_total',
      models.flatMap((meter) => recordSamples(meter.labels, 'outcome', meter.cachedRows)),
    ),
    valueFamily(
      'cache_tier_operations_total',
      models.flatMap((meter) => tierCalls(meter, (labels, { results }) => recordSamples(labels, 'result', results))),
    ),
    histogramFamily(
      'cache_tier_duration_seconds',
      durationBoundsSeconds,
      models.flatMap((meter) => tierCalls(meter, (labels, { durations }) => durationSample(labels, {}, durations))),
    ),
  ];
}

export function storeFamilies({
  cache,
  predictions,
  access,
  features,
  tasks,
  pools,
  upstreams,
}: StoreFigures): MetricFamily[] {
  return [
    ...(cache === undefined
      ? []
      : [
          single('cache_entries', cache.entries),
          single('cache_bytes', cache.bytes),
          single('cache_max_bytes', cache.maxBytes),
          single('cache_evictions_total', cache.evictions),
        ]),
    ...(predictions === undefined
      ? []
      : [
          single('predictions_written_total', predictions.written),
          single('predictions_dropped_total', predictions.dropped),
          single('predictions_failed_batches_total', predictions.failedBatches),
          single('predictions_waiting', predictions.waiting),
        ]),
    ...(access === undefined ? [] : [valueFamily('access_refused_total', recordSamples('', 'reason', access.refused))]),
    ...(features === undefined ? [] : [valueFamily('features_total', recordSamples('', 'outcome', features))]),
    ...(tasks === undefined ? [] : [valueFamily('tasks', recordSamples('', 'state', tasks))]),
    ...(pools.length + upstreams.length === 0 ? [] : poolFamilies([...pools, ...upstreams.flatMap(upstreamPools)])),
  ];
}

/** Of a pool that does not count something, that sample is missing. */
type PoolFigures = Pick<PoolStatus, 'name' | 'size' | 'inUse' | 'idle' | 'waiting' | 'acquired' | 'errors'> &
  Partial<Pick<PoolStatus, 'maxSize' | 'waitedMs' | 'timeouts' | 'recycled'>> & { readonly kind: string };

function upstreamPools({ model, version, addresses }: UpstreamPoolStatus): PoolFigures[] {
  return addresses.map(({ address, size, inUse, idle, waiting, calls, errors }) => ({
    kind: 'upstream',
    name: `${model}/${version} ${address}`,
    size,
    inUse,
    idle,
    waiting,
    acquired: calls,
    errors,
  }));
}

function poolFamilies(pools: readonly PoolFigures[]): MetricFamily[] {
  const perPool = (name: MetricName, figureOf: (pool: PoolFigures) => number | undefined): MetricFamily =>
    valueFamily(
      name,
      pools.flatMap((pool) => {
        const value = figureOf(pool);
        return value === undefined ? [] : [{ labels: renderLabels({ kind: pool.kind, pool: pool.name }), value }];
      }),
    );
  return [
    perPool('pool_size', (pool) => pool.size),
    perPool('pool_max_size', (pool) => pool.maxSize),
    perPool('pool_in_use', (pool) => pool.inUse),
    perPool('pool_idle', (pool) => pool.idle),
    perPool('pool_waiting', (pool) => pool.waiting),
    perPool('pool_acquired_total', (pool) => pool.acquired),
    perPool('pool_wait_seconds_total', (pool) => (pool.waitedMs === undefined ? undefined : pool.waitedMs / 1000)),
    perPool('pool_timeouts_total', (pool) => pool.timeouts),
    perPool('pool_recycled_total', (pool) => pool.recycled),
    perPool('pool_errors_total', (pool) => pool.errors),
  ];
}

type TierMeter = ModelMeter['cacheTiers']['redis']['read'];

function tierCalls<T>(meter: ModelMeter, samplesOf: (labels: string, calls: TierMeter) => T[]): T[] {
  return Object.entries(meter.cacheTiers).flatMap(([tier, operations]) =>
    Object.entries(operations).flatMap(([operation, calls]) => {
      const isUsed = Object.values(calls.results).some((count) => count > 0);
      return isUsed ? samplesOf(withLabels(meter.labels, { tier, operation }), calls) : [];
    }),
  );
}

const single = (name: MetricName, value: number): MetricFamily => valueFamily(name, [{ labels: '', value }]);
