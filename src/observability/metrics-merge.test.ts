import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aggregate } from './metrics.ts';
import { assertLines, loaded, setup } from './testing/metrics-fixture.ts';

test('the metrics of several processes become one page', async () => {
  const first = setup({ snapshot: () => [loaded('iris')], processStats: { eventLoopUtilizationRatio: 0.9 } });
  const second = setup({ snapshot: () => [loaded('iris', { sloInfeasible: false })] });
  const idle = setup({ processStats: { startTimeSeconds: 1_600_000_000 } });
  for (const [metrics, count] of [[first, 3] as const, [second, 4] as const]) {
    const model = metrics.telemetry.forModel('iris', '1');
    for (let i = 0; i < count; i++) model.request('rest', 'OK', 1);
  }
  const jsons = await Promise.all([first, second, idle].map((metrics) => metrics.metricsAsJson()));
  const lines = (await aggregate(JSON.parse(JSON.stringify(jsons)))).split('\n');
  assertLines(lines, [
    'hotpath_requests_total{model="iris",version="1",protocol="rest",code="OK"} 7',
    'hotpath_request_duration_seconds_bucket{model="iris",version="1",protocol="rest",outcome="ok",le="0.00113"} 7',
    'hotpath_request_duration_seconds_count{model="iris",version="1",protocol="rest",outcome="ok"} 7',
    'hotpath_queue_depth{model="iris",version="1"} 12',
    'hotpath_slo_infeasible{model="iris",version="1"} 1',
    'hotpath_model_loaded_info{model="iris",version="1",provider="cpu",batching="on"} 1',
    'hotpath_est_row_cost_seconds{model="iris",version="1"} 0.0005',
    'hotpath_process_resident_memory_bytes 3000',
    'hotpath_event_loop_utilization_ratio 0.9',
    'hotpath_process_start_time_seconds 1600000000',
    'hotpath_system_memory_limit_bytes 4096',
  ]);
});

test('the page of one process and the merge of it alone are the same', async () => {
  const metrics = setup({ nv: true, snapshot: () => [loaded('iris')] });
  metrics.telemetry.forModel('iris', '1').request('rest', 'OK', 1);
  assert.equal(await aggregate([await metrics.metricsAsJson()]), (await metrics.exposition()).body);
});
