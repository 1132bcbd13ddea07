import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoreFigures } from '../ports/store-figures.ts';
import { allStores, assertLines, page, setup } from './testing/metrics-fixture.ts';

const nothing: StoreFigures = {
  cache: undefined,
  predictions: undefined,
  access: undefined,
  features: undefined,
  tasks: undefined,
  pools: [],
  upstreams: [],
};

test('rows of a cached model are counted by outcome, and calls of its tiers by result with their times', async () => {
  const metrics = setup();
  const model = metrics.telemetry.forModel('iris', '1');
  metrics.telemetry.forModel('uncached', '1').request('rest', 'OK', 1);
  model.cacheRows('memory', 3);
  model.cacheRows('miss', 1);
  model.cacheRows('stale', 1);
  model.cacheTier('redis', 'read', 'ok', 0.5);
  model.cacheTier('redis', 'read', 'timeout', 25);
  model.cacheTier('redis', 'read', 'skipped', 0);
  const lines = await page(metrics);
  const call = 'model="iris",version="1",tier="redis",operation="read"';
  assertLines(lines, [
    'hotpath_cache_rows_total{model="iris",version="1",outcome="memory"} 3',
    'hotpath_cache_rows_total{model="iris",version="1",outcome="miss"} 1',
    'hotpath_cache_rows_total{model="iris",version="1",outcome="stale"} 1',
    'hotpath_cache_rows_total{model="iris",version="1",outcome="redis"} 0',
    `hotpath_cache_tier_operations_total{${call},result="ok"} 1`,
    `hotpath_cache_tier_operations_total{${call},result="timeout"} 1`,
    `hotpath_cache_tier_operations_total{${call},result="skipped"} 1`,
    `hotpath_cache_tier_duration_seconds_count{${call}} 2`,
    `hotpath_cache_tier_duration_seconds_sum{${call}} 0.0255`,
  ]);
  const cacheLines = lines.filter((line) => line.startsWith('hotpath_cache_'));
  assert.deepEqual(
    cacheLines.filter((line) => /uncached|tier="database"|operation="write"/.test(line)),
    [],
  );
});

test('stores are read when the page is asked for, and those a server does not use are not on it', async () => {
  let figures = nothing;
  const metrics = setup({ stores: () => figures });
  assert.ok(!(await page(metrics)).some((line) => /^hotpath_(cache|predictions|access|features|pool)_/.test(line)));
  figures = allStores;
  const upstream = '{kind="upstream",pool="far/1 grpc://one:8001"}';
  const pool = '{kind="postgres",pool="database \\"main\\""}';
  assertLines(await page(metrics), [
    'hotpath_cache_entries 2',
    'hotpath_cache_bytes 300',
    'hotpath_cache_max_bytes 1000',
    'hotpath_cache_evictions_total 1',
    'hotpath_predictions_written_total 10',
    'hotpath_predictions_dropped_total 1',
    'hotpath_predictions_failed_batches_total 2',
    'hotpath_predictions_waiting 3',
    'hotpath_access_refused_total{reason="key"} 4',
    'hotpath_access_refused_total{reason="rate"} 5',
    'hotpath_features_total{outcome="source"} 7',
    `hotpath_pool_size${pool} 8`,
    `hotpath_pool_max_size${pool} 12`,
    `hotpath_pool_in_use${pool} 5`,
    `hotpath_pool_idle${pool} 3`,
    `hotpath_pool_waiting${pool} 2`,
    `hotpath_pool_acquired_total${pool} 100`,
    `hotpath_pool_wait_seconds_total${pool} 1.5`,
    `hotpath_pool_timeouts_total${pool} 1`,
    `hotpath_pool_recycled_total${pool} 4`,
    `hotpath_pool_errors_total${pool} 6`,
    `hotpath_pool_size${upstream} 4`,
    `hotpath_pool_in_use${upstream} 3`,
    `hotpath_pool_waiting${upstream} 2`,
    `hotpath_pool_acquired_total${upstream} 50`,
  ]);
  assert.ok(!(await page(metrics)).some((line) => line.startsWith(`hotpath_pool_timeouts_total${upstream}`)));
});
