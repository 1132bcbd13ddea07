import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HotpathError } from '../errors.ts';
import { settle } from '../testing/cache-world.ts';
import { ask, check, codeOf, expect, flightsOf, world } from '../testing/cached-runner-world.ts';

test('an answer is computed once and then given from memory, until its time is over', async () => {
  const at = world();
  const runner = at.wrap({ ttlMs: 1000, jitter: 0 });
  await expect(runner, at, [1], 'miss');
  const hit = await expect(runner, at, [1], 'memory');
  assert.deepEqual([hit.release, hit.batchRows], ['cached', 0]);
  at.clock.advance(999);
  await expect(runner, at, [1], 'memory');
  at.clock.advance(1);
  await expect(runner, at, [1], 'miss');
  assert.equal(at.inner.computedRows, 2);
  assert.deepEqual(at.telemetry.rows, { miss: 2, memory: 2 });
});

test('lifetimes are shortened at random, never lengthened', async () => {
  const at = world();
  const runner = at.wrap({ ttlMs: 1000, jitter: 0.5 });
  for (let row = 0; row < 50; row++) await ask(runner, at, [row]);
  at.clock.advance(499);
  for (let row = 0; row < 50; row++) assert.equal((await ask(runner, at, [row])).cache, 'memory');
  at.clock.advance(250);
  const kept = await Promise.all(Array.from({ length: 50 }, (_, row) => ask(runner, at, [row])));
  const hits = kept.filter(({ cache }) => cache === 'memory').length;
  assert.ok(hits > 5 && hits < 45, `${hits} of 50 at three quarters of the time`);
});

test('only the rows that are missing run, equal rows once, and all come back in their order', async () => {
  const at = world();
  const runner = at.wrap();
  await expect(runner, at, [1, 2, 3], 'miss');
  await expect(runner, at, [3, 7, 1, 7, 8], 'miss');
  assert.deepEqual(Array.from(at.inner.runs[1]!.inputs[0]!.data as Float32Array), [7, 7.5, 8, 8.5]);
  await expect(runner, at, [8, 8, 1], 'memory');
  await expect(runner, at, [2], 'memory');
  assert.equal(at.inner.runs.length, 2);
});

test('what is kept is a copy of its own, not a view on the whole batch', async () => {
  const at = world();
  const runner = at.wrap();
  const first = await ask(runner, at, [4]);
  (first.outputs[0]!.data as Float32Array).fill(-1);
  const hit = await expect(runner, at, [4], 'memory');
  assert.equal((hit.outputs[0]!.data as Float32Array).buffer.byteLength, 8);
});

test('models that take whole requests are cached by whole requests', async () => {
  const at = world();
  const runner = at.wrap({}, { batchable: false });
  await expect(runner, at, [1, 2], 'miss');
  await expect(runner, at, [1, 2], 'memory');
  await expect(runner, at, [2], 'miss');
});

test('requests may refuse the cache, or ask for a new answer that replaces the old', async () => {
  const at = world();
  const runner = at.wrap();
  await expect(runner, at, [1], 'miss');
  await expect(runner, at, [1], 'bypass', { cache: 'no-store' });
  await expect(runner, at, [1], 'bypass', { solo: true });
  await expect(runner, at, [2], 'bypass', { cache: 'no-store' });
  await expect(runner, at, [2], 'miss');
  at.clock.advance(3_000_000);
  await expect(runner, at, [1], 'miss', { cache: 'no-cache' });
  at.clock.advance(3_000_000);
  await expect(runner, at, [1], 'memory');
  assert.equal((await ask(runner, at, [])).cache, 'bypass');
});

test('a stale answer is given while one request at low priority renews it', async () => {
  const at = world();
  const runner = at.wrap({ ttlMs: 1000, staleMs: 5000, jitter: 0 });
  await expect(runner, at, [1], 'miss');
  at.clock.advance(1500);
  at.inner.held = true;
  await expect(runner, at, [1], 'memory');
  await expect(runner, at, [1], 'memory');
  assert.equal(at.inner.runs.length, 2);
  assert.equal(at.inner.runs[1]!.options.priority, 3);
  at.inner.runs[1]!.fail(new HotpathError('OVERLOADED', 'busy'));
  await settle(at.clock);
  await expect(runner, at, [1], 'memory');
  assert.equal(at.inner.runs.length, 2, 'after a failure it waits a while');
  at.clock.advance(1100);
  await expect(runner, at, [1], 'memory');
  at.inner.runs[2]!.answer();
  await settle(at.clock);
  at.clock.advance(900);
  await expect(runner, at, [1], 'memory');
  assert.equal(at.inner.runs.length, 3);
  assert.equal(at.telemetry.rows.stale, 3);
  assert.equal(flightsOf(runner), 0);
});

test('answers that are too large are given and not kept', async () => {
  const at = world();
  const runner = at.wrap({ maxValueBytes: 10 });
  at.inner.held = true;
  const both = [ask(runner, at, [1]), ask(runner, at, [1])];
  at.inner.runs[0]!.answer();
  for (const answer of await Promise.all(both)) check(answer, [1]);
  at.inner.held = false;
  await expect(runner, at, [1], 'miss');
  assert.equal(at.cache.status().memory?.entries, 0);
});

test('closing waits for what is in flight and leaves nothing', async () => {
  const at = world();
  at.inner.held = true;
  const runner = at.wrap({ ttlMs: 10, staleMs: 1000, jitter: 0 });
  const pending = ask(runner, at, [1]);
  at.inner.runs[0]!.answer();
  await pending;
  at.clock.advance(20);
  await ask(runner, at, [1]);
  const closing = runner.close();
  at.inner.open[0]!.answer();
  await closing;
  assert.equal(flightsOf(runner), 0);
  assert.equal(await codeOf(ask(runner, at, [2])), 'SHUTTING_DOWN');
});

test('while nothing repeats, a row that was never seen runs without a trace, and one asked again by many runs once more', async () => {
  const at = world();
  const runner = at.wrap({});
  for (let row = 0; row < 4200; row++) {
    const pending = ask(runner, at, [row]);
    await settle(at.clock);
    check(await pending, [row]);
  }
  const before = at.inner.runs.length;
  const many = Array.from({ length: 50 }, () => ask(runner, at, [9999]));
  assert.ok(flightsOf(runner) <= 1);
  await settle(at.clock);
  for (const answer of await Promise.all(many)) {
    check(answer, [9999]);
    assert.equal(answer.cache ?? runner.outcome, 'miss');
  }
  assert.ok(at.inner.runs.length - before <= 2, `${at.inner.runs.length - before} runs`);
  assert.equal(flightsOf(runner), 0);
});
