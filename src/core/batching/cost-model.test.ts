import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CostModel } from './cost-model.ts';

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not within ${tolerance} of ${expected}`);
}

test('finds slope and intercept of exact observations', () => {
  const cost = new CostModel();
  for (const rows of [1, 2, 4, 8, 16, 32]) cost.observe(rows, 0.3 * rows + 8);
  near(cost.perRowMs, 0.3, 1e-9);
  near(cost.fixedMs, 8, 1e-9);
  near(cost.expectMs(20), 14, 1e-9);
});

test('the careful estimate lies two relative errors above the expectation', () => {
  const cost = new CostModel();
  for (const rows of [1, 8, 1, 8, 1, 8]) cost.observe(rows, rows + 1);
  assert.equal(cost.estimateMs(8), cost.expectMs(8) * (1 + 2 * cost.relativeError));
});

test('a model that slows down twofold at one batch size is relearned', () => {
  const cost = new CostModel();
  for (const rows of [1, 2, 4, 8]) cost.observe(rows, rows + 4);
  for (let index = 0; index < 400; index++) cost.observe(8, 24);
  near(cost.expectMs(8), 24, 0.05);
});

test('batches of one size move the level and keep the shape', () => {
  const cost = new CostModel({ perRowMs: 1, fixedMs: 4 });
  for (let index = 0; index < 400; index++) cost.observe(8, 24);
  near(cost.expectMs(8), 24, 1e-6);
  near(cost.perRowMs / cost.fixedMs, 0.25, 1e-9);
});

test('one descheduled batch moves the estimate only a little', () => {
  const cost = new CostModel();
  for (let index = 0; index < 60; index++) cost.observe(1 + (index % 8), 1 + (index % 8) * 0.1);
  const before = cost.expectMs(4);
  cost.observe(4, 500);
  assert.ok(cost.expectMs(4) < before * 1.3, `${cost.expectMs(4)} after an outlier, ${before} before`);
});

test('slope and intercept never turn negative', () => {
  const falling = new CostModel();
  for (const [rows, ms] of [
    [1, 9],
    [8, 3],
    [1, 9],
    [8, 3],
  ] as const)
    falling.observe(rows, ms);
  assert.equal(falling.perRowMs, 0);
  const steep = new CostModel();
  for (const [rows, ms] of [
    [2, 1],
    [8, 16],
    [2, 1],
    [8, 16],
  ] as const)
    steep.observe(rows, ms);
  assert.equal(steep.fixedMs, 0);
  assert.ok(steep.perRowMs > 0);
});

test('a bucket with rows twice as large starts at twice the slope', () => {
  const scaled = new CostModel({ perRowMs: 2, fixedMs: 5 }).scaled(2);
  assert.equal(scaled.expectMs(3), 17);
});
