import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertLines, loaded, page, setup, timing } from './testing/metrics-fixture.ts';

test('Triton’s names are off by default and derived from the same counters when on', async () => {
  const report = async (nv: boolean) => {
    const metrics = setup({ nv, snapshot: () => [loaded('iris')] });
    const model = metrics.telemetry.forModel('iris', '1');
    model.request('rest', 'OK', 6);
    model.request('grpc', 'OK', 4);
    model.stages(timing, 0, 0.125);
    model.request('rest', 'OVERLOADED', 1);
    model.request('rest', 'DEADLINE_EXCEEDED', 1);
    model.request('rest', 'CANCELLED', 1);
    model.request('rest', 'ENGINE_CRASHED', 1);
    model.request('rest', 'INVALID_INPUT', 1);
    model.batch(8, 2, 'full', 4);
    return page(metrics);
  };
  assert.equal((await report(false)).filter((line) => line.includes('nv_')).length, 0);
  const labels = 'model="iris",version="1"';
  assertLines(await report(true), [
    `nv_inference_request_success{${labels}} 2`,
    `nv_inference_request_failure{${labels},reason="REJECTED"} 2`,
    `nv_inference_request_failure{${labels},reason="CANCELED"} 1`,
    `nv_inference_request_failure{${labels},reason="BACKEND"} 1`,
    `nv_inference_request_failure{${labels},reason="OTHER"} 1`,
    `nv_inference_count{${labels}} 8`,
    `nv_inference_exec_count{${labels}} 1`,
    `nv_inference_pending_request_count{${labels}} 3`,
    `nv_inference_request_duration_us{${labels}} 10000`,
    `nv_inference_queue_duration_us{${labels}} 1000`,
    `nv_inference_compute_input_duration_us{${labels}} 500`,
    `nv_inference_compute_infer_duration_us{${labels}} 4000`,
    `nv_inference_compute_output_duration_us{${labels}} 125`,
    'nv_cpu_utilization 0.75',
    'nv_cpu_memory_total_bytes 4096',
    'nv_cpu_memory_used_bytes 1024',
  ]);
});
