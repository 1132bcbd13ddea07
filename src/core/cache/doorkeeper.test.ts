import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Doorkeeper } from './doorkeeper.ts';

function lookUp(keeper: Doorkeeper, hits: number, misses: number): void {
  for (let index = 0; index < hits; index++) keeper.count(true);
  for (let index = 0; index < misses; index++) keeper.count(false);
}

test('everything is let in until lookups have hardly hit for a while', () => {
  const keeper = new Doorkeeper();
  lookUp(keeper, 0, 4095);
  for (let index = 0; index < 100; index++) assert.ok(keeper.admits(`key ${index}`));
  keeper.count(false);
  const admitted = Array.from({ length: 1000 }, (_, index) => keeper.admits(`new ${index}`)).filter(Boolean).length;
  assert.ok(admitted > 0 && admitted < 100, String(admitted));
});

test('while it is choosy, what is asked for twice is let in', () => {
  const keeper = new Doorkeeper();
  lookUp(keeper, 0, 4096);
  const keys = Array.from({ length: 50 }, (_, index) => `key ${index}`);
  for (const key of keys) keeper.admits(key);
  assert.ok(keys.filter((key) => keeper.admits(key)).length >= 49);
});

test('repeats open the door again, and a few hits keep it open', () => {
  const keeper = new Doorkeeper();
  lookUp(keeper, 0, 4096);
  assert.ok(keeper.choosy);
  lookUp(keeper, 60, 4036);
  assert.ok(keeper.choosy, 'between the two shares nothing changes');
  lookUp(keeper, 90, 4006);
  assert.equal(keeper.choosy, false);
  lookUp(keeper, 60, 4036);
  assert.equal(keeper.choosy, false);
});
