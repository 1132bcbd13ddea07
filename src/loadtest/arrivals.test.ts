import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Arrivals } from './arrivals.ts';
import { scheduleArrivals } from './arrivals.ts';

const poisson: Arrivals = { kind: 'poisson', ratePerSecond: 500, durationMs: 40_000, seed: 7 };

test('a constant schedule spaces its requests evenly and stays below the duration', () => {
  const times = scheduleArrivals({ kind: 'constant', ratePerSecond: 200, durationMs: 100, seed: 1 });
  assert.equal(times.length, 20);
  for (const [index, time] of times.entries()) assert.ok(Math.abs(time - index * 5) < 1e-9);
  const thirds = scheduleArrivals({ kind: 'constant', ratePerSecond: 3, durationMs: 1000, seed: 1 });
  assert.equal(thirds.length, 3);
});

test('a poisson schedule has the rate, the mean gap and the spread of independent arrivals', () => {
  const times = scheduleArrivals(poisson);
  // 20 000 expected, standard deviation sqrt(20 000) = 141.
  assert.ok(Math.abs(times.length - 20_000) < 5 * 141, `${times.length} arrivals`);
  const gaps = times.subarray(1).map((time, index) => time - times[index]!);
  assert.ok(gaps.every((gap) => gap >= 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  assert.ok(Math.abs(Math.sqrt(variance) / mean - 1) < 0.05, 'the coefficient of variation of exponential gaps is 1');
  const overTwoMeans = gaps.filter((gap) => gap > 2 * mean).length / gaps.length;
  assert.ok(Math.abs(overTwoMeans - Math.exp(-2)) < 0.01, `${overTwoMeans} of the gaps are over two means`);
  assert.ok(times.at(-1)! < poisson.durationMs);
});

test('the same seed gives the same schedule and another seed another one', () => {
  assert.deepEqual(scheduleArrivals(poisson), scheduleArrivals(poisson));
  assert.notDeepEqual(scheduleArrivals(poisson), scheduleArrivals({ ...poisson, seed: 8 }));
});

test('a schedule without a positive rate or duration is refused', () => {
  for (const wrong of [{ ratePerSecond: 0 }, { ratePerSecond: Number.NaN }, { durationMs: -1 }]) {
    assert.throws(() => scheduleArrivals({ ...poisson, ...wrong }), { code: 'INVALID_INPUT' });
  }
});
