import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SimulatedClock } from '../core/simulated-clock.ts';
import { PerformanceRecorder } from './performance.ts';

test('a fresh recorder has rates of zero and no quantiles', () => {
  const view = new PerformanceRecorder(new SimulatedClock(5000)).view();
  const empty = {
    seconds: 0,
    requestsPerSecond: 0,
    errorsPerSecond: 0,
    rowsPerSecond: 0,
    p50Ms: null,
    p95Ms: null,
    p99Ms: null,
    meanBatchRows: null,
  };
  assert.deepEqual(view, { last10s: empty, last60s: empty });
});

test('rates count the seconds really covered', () => {
  const clock = new SimulatedClock(123.4);
  const recorder = new PerformanceRecorder(clock);
  for (let i = 0; i < 20; i++) recorder.request(true, 2);
  for (let i = 0; i < 4; i++) recorder.request(false, 2);
  recorder.batch(3);
  recorder.batch(5);
  clock.advance(2000);
  const { last10s } = recorder.view();
  assert.equal(last10s.seconds, 2);
  assert.equal(last10s.requestsPerSecond, 10);
  assert.equal(last10s.errorsPerSecond, 2);
  assert.equal(last10s.rowsPerSecond, 4);
  assert.equal(last10s.meanBatchRows, 4);
});

test('a steady stream shows its rate in both windows, whenever one looks', () => {
  const clock = new SimulatedClock();
  const recorder = new PerformanceRecorder(clock);
  for (let i = 0; i < 20_000; i++) {
    recorder.request(true, 1);
    clock.advance(10);
  }
  for (const offsetMs of [0, 130, 499, 370]) {
    for (let i = 0; i < offsetMs; i += 10) recorder.request(true, 1);
    clock.advance(offsetMs);
    const { last10s, last60s } = recorder.view();
    assert.ok(Math.abs(last10s.requestsPerSecond - 100) < 2, `${last10s.requestsPerSecond}`);
    assert.ok(Math.abs(last60s.requestsPerSecond - 100) < 1, `${last60s.requestsPerSecond}`);
  }
});

test('what is older than the window is forgotten, also when the ring comes round', () => {
  const clock = new SimulatedClock();
  const recorder = new PerformanceRecorder(clock);
  recorder.request(true, 900);
  recorder.batch(64);
  clock.advance(12_000);
  recorder.request(true, 1);
  assert.ok((recorder.view().last10s.p99Ms ?? 0) < 1.1);
  assert.ok((recorder.view().last60s.p99Ms ?? 0) > 880);
  clock.advance(61_000);
  assert.equal(recorder.view().last60s.p99Ms, null);
  assert.equal(recorder.view().last60s.requestsPerSecond, 0);
  assert.equal(recorder.view().last60s.meanBatchRows, null);
});

test('quantiles are within 2 % or a microsecond of the exact ones', () => {
  const durations = fc.array(
    fc.double({ min: Math.log(0.01), max: Math.log(60_000), noNaN: true }).map((x) => Math.exp(x)),
    { minLength: 1, maxLength: 50 },
  );
  fc.assert(
    fc.property(durations, (values) => {
      const recorder = new PerformanceRecorder(new SimulatedClock());
      for (const value of values) recorder.request(true, value);
      const { p50Ms, p95Ms, p99Ms } = recorder.view().last10s;
      const sorted = [...values].sort((a, b) => a - b);
      for (const [quantile, got] of [
        [0.5, p50Ms],
        [0.95, p95Ms],
        [0.99, p99Ms],
      ] as const) {
        const exact = sorted[Math.ceil(quantile * sorted.length) - 1] as number;
        assert.ok(got !== null && Math.abs(got - exact) <= Math.max(0.0015, exact * 0.02), `${got} for ${exact}`);
      }
    }),
    { numRuns: 30 },
  );
});

test('durations that are not positive numbers count as the fastest', () => {
  const recorder = new PerformanceRecorder(new SimulatedClock());
  recorder.request(true, Number.NaN);
  recorder.request(true, -5);
  assert.ok((recorder.view().last10s.p99Ms ?? 1) <= 0.001);
});
