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
  assert.ok(keeper.choosy, 'between the shares nothing changes');
  lookUp(keeper, 420, 3676);
  assert.equal(keeper.choosy, false);
  lookUp(keeper, 60, 4036);
  assert.equal(keeper.choosy, false);
});

test('when letting in what was asked for before brings no hits either, ever less of it is let in, until repeats open the door', () => {
  const keeper = new Doorkeeper();
  lookUp(keeper, 0, 4096);
  const keys = Array.from({ length: 512 }, (_, index) => `key ${index}`);
  const admitted = () => keys.filter((key) => keeper.admits(key)).length;
  admitted();
  const counts = Array.from({ length: 8 }, () => {
    lookUp(keeper, 0, 4096);
    return admitted();
  });
  assert.ok(counts[0]! <= 256 && counts[0]! >= 250, String(counts));
  assert.ok(counts.at(-1)! <= 12 && counts.at(-1)! >= 6, String(counts));
  lookUp(keeper, 90, 4006);
  const milder = admitted();
  assert.ok(milder >= 14 && milder <= 20, String(milder));
  lookUp(keeper, 420, 3676);
  assert.equal(admitted(), 512);
});
