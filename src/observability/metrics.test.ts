import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '../core/simulated-clock.ts';
import { createMetrics } from './metrics.ts';
import { assertLines, loaded, page, seriesValue, setup, timing } from './testing/metrics-fixture.ts';

test('one successful request is one in the counter, the duration and each stage, and nowhere else', async () => {
  const metrics = setup();
  const model = metrics.telemetry.forModel('iris', '1');
  model.request('rest', 'OK', 6);
  model.stages(timing, 0, 0.125);
  const lines = await page(metrics);
  assertLines(lines, [
    '# TYPE hotpath_requests_total counter',
    'hotpath_requests_total{model="iris",version="1",protocol="rest",code="OK"} 1',
    '# TYPE hotpath_request_duration_seconds histogram',
    'hotpath_request_duration_seconds_bucket{model="iris",version="1",protocol="rest",outcome="ok",le="0.0057"} 0',
    'hotpath_request_duration_seconds_bucket{model="iris",version="1",protocol="rest",outcome="ok",le="0.00854"} 1',
    'hotpath_request_duration_seconds_bucket{model="iris",version="1",protocol="rest",outcome="ok",le="+Inf"} 1',
    'hotpath_request_duration_seconds_sum{model="iris",version="1",protocol="rest",outcome="ok"} 0.006',
    'hotpath_request_duration_seconds_count{model="iris",version="1",protocol="rest",outcome="ok"} 1',
    'hotpath_stage_duration_seconds_sum{model="iris",version="1",stage="decode"} 0.00025',
    'hotpath_stage_duration_seconds_sum{model="iris",version="1",stage="queue"} 0.001',
    'hotpath_stage_duration_seconds_sum{model="iris",version="1",stage="batch"} 0.0005',
    'hotpath_stage_duration_seconds_sum{model="iris",version="1",stage="infer"} 0.004',
    'hotpath_stage_duration_seconds_sum{model="iris",version="1",stage="encode"} 0.000125',
    'hotpath_stage_duration_seconds_count{model="iris",version="1",stage="infer"} 1',
    'hotpath_shed_total{model="iris",version="1",reason="deadline"} 0',
    'hotpath_deadline_exceeded_total{model="iris",version="1"} 0',
  ]);
  assert.equal(lines.filter((line) => line.startsWith('hotpath_requests_total')).length, 1);
  assert.equal(lines.filter((line) => line.startsWith('hotpath_request_duration_seconds_count')).length, 1);
});

test('errors are counted by code and their durations kept apart from those of answers', async () => {
  const metrics = setup();
  const model = metrics.telemetry.forModel('iris', '1');
  model.request('rest', 'OK', 1);
  model.request('rest', 'OVERLOADED', 0.1);
  model.request('rest', 'OVERLOADED', 0.1);
  model.request('grpc', 'INVALID_INPUT', 0.1);
  model.shed('deadline');
  model.shed('deadline');
  model.expired();
  model.cancelled();
  model.workerRestarted('hang');
  assertLines(await page(metrics), [
    'hotpath_requests_total{model="iris",version="1",protocol="rest",code="OK"} 1',
    'hotpath_requests_total{model="iris",version="1",protocol="rest",code="OVERLOADED"} 2',
    'hotpath_requests_total{model="iris",version="1",protocol="grpc",code="OK"} 0',
    'hotpath_requests_total{model="iris",version="1",protocol="grpc",code="INVALID_INPUT"} 1',
    'hotpath_request_duration_seconds_count{model="iris",version="1",protocol="rest",outcome="ok"} 1',
    'hotpath_request_duration_seconds_count{model="iris",version="1",protocol="rest",outcome="error"} 2',
    'hotpath_shed_total{model="iris",version="1",reason="deadline"} 2',
    'hotpath_shed_total{model="iris",version="1",reason="queue-rows"} 0',
    'hotpath_deadline_exceeded_total{model="iris",version="1"} 1',
    'hotpath_cancelled_total{model="iris",version="1"} 1',
    'hotpath_worker_restarts_total{model="iris",version="1",cause="crash"} 0',
    'hotpath_worker_restarts_total{model="iris",version="1",cause="hang"} 1',
  ]);
});

test('batches are counted by reason, their rows in powers of two, their time as busy time', async () => {
  const metrics = setup();
  const model = metrics.telemetry.forModel('iris', '1');
  model.batch(1, 1, 'idle', 2);
  model.batch(8, 3, 'full', 4);
  model.batch(9, 4, 'full', 6);
  assertLines(await page(metrics), [
    'hotpath_batch_size_bucket{model="iris",version="1",le="1"} 1',
    'hotpath_batch_size_bucket{model="iris",version="1",le="4"} 1',
    'hotpath_batch_size_bucket{model="iris",version="1",le="8"} 2',
    'hotpath_batch_size_bucket{model="iris",version="1",le="16"} 3',
    'hotpath_batch_size_sum{model="iris",version="1"} 18',
    'hotpath_batch_size_count{model="iris",version="1"} 3',
    'hotpath_batches_total{model="iris",version="1",reason="full"} 2',
    'hotpath_batches_total{model="iris",version="1",reason="idle"} 1',
    'hotpath_batches_total{model="iris",version="1",reason="solo"} 0',
    'hotpath_worker_busy_seconds_total{model="iris",version="1"} 0.012',
  ]);
});

test('requests that reach no model have no model label', async () => {
  const metrics = setup();
  metrics.telemetry.unroutedRequest('rest', 'NOT_FOUND', 0.2);
  const lines = await page(metrics);
  assertLines(lines, [
    'hotpath_requests_total{protocol="rest",code="NOT_FOUND"} 1',
    'hotpath_request_duration_seconds_count{protocol="rest",outcome="error"} 1',
  ]);
  assert.equal(lines.filter((line) => line.startsWith('hotpath_requests_total')).length, 1);
});

test('gauges are read from the snapshot at scrape time', async () => {
  let models = [loaded('iris')];
  const metrics = setup({ snapshot: () => models });
  metrics.telemetry.modelLoaded('iris', '1', 250);
  metrics.telemetry.modelLoadFailed('bad', '3');
  assertLines(await page(metrics), [
    'hotpath_queue_depth{model="iris",version="1"} 6',
    'hotpath_queue_requests{model="iris",version="1"} 3',
    'hotpath_queue_bytes{model="iris",version="1"} 96',
    'hotpath_in_flight{model="iris",version="1"} 5',
    'hotpath_workers{model="iris",version="1"} 2',
    'hotpath_workers_available{model="iris",version="1"} 1',
    'hotpath_model_loaded_info{model="iris",version="1",provider="cpu",batching="on"} 1',
    'hotpath_model_memory_bytes{model="iris",version="1"} 5000',
    'hotpath_est_capacity_rows_per_second{model="iris",version="1"} 1500',
    'hotpath_est_row_cost_seconds{model="iris",version="1"} 0.0005',
    'hotpath_est_batch_cost_seconds{model="iris",version="1"} 0.002',
    'hotpath_slo_infeasible{model="iris",version="1"} 1',
    'hotpath_model_loads_total{model="iris",version="1"} 1',
    'hotpath_model_load_seconds{model="iris",version="1"} 0.25',
    'hotpath_model_load_failures_total{model="bad",version="3"} 1',
  ]);
  models = [];
  const lines = await page(metrics);
  assert.equal(lines.filter((line) => line.startsWith('hotpath_queue_depth')).length, 0);
  assertLines(lines, ['hotpath_model_loads_total{model="iris",version="1"} 1']);
});

test('the busy ratio is the time of runs over the time of the instances since the last scrape', async () => {
  const clock = new SimulatedClock(50);
  const metrics = setup({ clock, snapshot: () => [loaded('iris')] });
  const model = metrics.telemetry.forModel('iris', '1');
  const ratio = async () => seriesValue(await page(metrics), 'hotpath_worker_busy_ratio{model="iris",version="1"}');
  assert.equal(await ratio(), 0);
  model.batch(4, 4, 'idle', 1000);
  clock.advance(2000);
  assert.equal(await ratio(), 0.25);
  clock.advance(10);
  assert.equal(await ratio(), 0.25);
  clock.advance(990);
  assert.equal(await ratio(), 0);
  model.batch(4, 4, 'idle', 60_000);
  clock.advance(1000);
  assert.equal(await ratio(), 1);
});

test('figures of process, machine and build are there', async () => {
  assertLines(await page(setup()), [
    'hotpath_process_cpu_seconds_total{mode="user"} 3',
    'hotpath_process_cpu_seconds_total{mode="system"} 0.5',
    'hotpath_process_resident_memory_bytes 1000',
    'hotpath_process_open_fds 21',
    'hotpath_gc_duration_seconds_total{kind="minor"} 0.125',
    'hotpath_gc_runs_total{kind="minor"} 7',
    'hotpath_event_loop_delay_seconds{quantile="0.99"} 0.003',
    'hotpath_event_loop_utilization_ratio 0.25',
    'hotpath_system_cpu_cores 1.5',
    'hotpath_system_cpu_utilization_ratio 0.75',
    'hotpath_system_memory_limit_bytes 4096',
    'hotpath_system_memory_used_bytes 1024',
    `hotpath_build_info{version="1.2.3",node="${process.version}"} 1`,
  ]);
  const { contentType } = await setup().exposition();
  assert.equal(contentType, 'text/plain; version=0.0.4; charset=utf-8');
});

test('the performance view sees every model and the unrouted requests', () => {
  const clock = new SimulatedClock();
  const metrics = setup({ clock });
  metrics.telemetry.forModel('a', '1').request('rest', 'OK', 2);
  metrics.telemetry.forModel('b', '1').request('rest', 'OK', 2);
  metrics.telemetry.forModel('b', '1').batch(6, 2, 'idle', 1);
  metrics.telemetry.unroutedRequest('rest', 'NOT_FOUND', 1);
  clock.advance(1000);
  const { last10s } = metrics.performance();
  assert.equal(last10s.requestsPerSecond, 2);
  assert.equal(last10s.errorsPerSecond, 1);
  assert.equal(last10s.meanBatchRows, 6);
});

test('the real process and machine give figures, and close can be called twice', async () => {
  const metrics = createMetrics({ snapshot: () => [], clock: new SimulatedClock(), nv: false, version: '0' });
  const lines = await page(metrics);
  metrics.close();
  metrics.close();
  assert.ok(seriesValue(lines, 'hotpath_process_resident_memory_bytes') > 10_000_000);
  assert.ok(seriesValue(lines, 'hotpath_process_cpu_seconds_total{mode="user"}') > 0);
  assert.ok(seriesValue(lines, 'hotpath_system_cpu_cores') > 0);
  const used = seriesValue(lines, 'hotpath_system_memory_used_bytes');
  assert.ok(used > 0 && used <= seriesValue(lines, 'hotpath_system_memory_limit_bytes'));
  assert.ok(Math.abs(seriesValue(lines, 'hotpath_process_start_time_seconds') - Date.now() / 1000) < 3600);
});
