import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '../simulated-clock.ts';
import { FakeStore, settle } from '../testing/cache-world.ts';
import { ask, check, expect, twoTiers, world } from '../testing/cached-runner-world.ts';

test('tiers are asked in their order, in one round trip each, and what is found goes into those before', async () => {
  const { at, redis, database, runner } = twoTiers();
  await expect(runner, at, [1, 2, 3], 'miss');
  assert.deepEqual([redis.entries.size, database.entries.size], [3, 3]);
  redis.entries.clear();
  const other = world({ clock: at.clock, stores: [redis, database] });
  const reader = other.wrap({ tiers: ['memory', 'redis', 'database'] });
  await expect(reader, other, [3, 1, 9], 'miss');
  assert.equal(other.inner.computedRows, 1);
  assert.deepEqual([redis.reads.at(-1)!.length, database.reads.at(-1)!.length], [3, 3]);
  assert.equal(redis.entries.size, 3);
  await expect(reader, other, [2], 'database');
  await expect(reader, other, [1, 2, 3], 'memory');
  const third = world({ clock: at.clock, stores: [redis] });
  await expect(third.wrap({ tiers: ['redis'] }), third, [2, 3], 'redis');
  assert.equal(third.inner.runs.length, 0);
});

test('a tier that fails, throws or hangs costs its time limit and no answer, and is then left alone for a while', async () => {
  for (const mood of ['fails', 'throws', 'hangs'] as const) {
    const { at, redis, runner } = twoTiers({ tiers: ['memory', 'redis'] });
    redis.mood = mood;
    for (let row = 0; row < 12; row++) {
      const pending = ask(runner, at, [row]);
      await settle(at.clock);
      if (mood === 'hangs') at.clock.advance(25);
      await settle(at.clock);
      check(await pending, [row]);
    }
    assert.ok(redis.reads.length < 12, 'the breaker opened');
    assert.ok(at.telemetry.tiers.includes('redis read skipped'));
    redis.mood = 'works';
    at.clock.advance(5000);
    await settle(at.clock);
    await expect(runner, at, [100], 'miss');
    await expect(runner, at, [101], 'miss');
    assert.ok(redis.entries.size > 0, 'and used again when it works');
  }
});

test('write-through waits for the tiers, but not for ever', async () => {
  const { at, redis, runner } = twoTiers({ tiers: ['redis'], write: 'through' });
  const answer = await ask(runner, at, [1]);
  assert.equal(answer.cache, 'miss');
  assert.equal(redis.entries.size, 1);
  redis.mood = 'hangs';
  const slow = ask(runner, at, [2]);
  await settle();
  at.clock.advance(25);
  await settle();
  at.clock.advance(25);
  check(await slow, [2]);
});

test('write-behind goes in batches after a while, or at the end', async () => {
  const { at, redis, runner } = twoTiers({ tiers: ['redis'], write: 'behind' });
  for (let row = 0; row < 300; row++) await expect(runner, at, [row], 'miss');
  assert.deepEqual(
    redis.writes.map(({ length }) => length),
    [256],
  );
  at.clock.advance(50);
  await settle(at.clock);
  assert.equal(redis.entries.size, 300);
  await expect(runner, at, [300], 'miss');
  const closed = at.cache.close();
  await settle(at.clock);
  await closed;
  assert.equal(redis.entries.size, 301);
});

test('what a store holds that is no answer of this model is a miss', async () => {
  const { at, redis, runner } = twoTiers({ tiers: ['redis'] });
  await expect(runner, at, [1], 'miss');
  const [[key, entry]] = [...redis.entries] as [[string, { value: Uint8Array; untilMs: number }]];
  for (const value of [new Uint8Array(0), entry.value.subarray(1), new Uint8Array(entry.value).fill(7, 0, 5)]) {
    redis.entries.set(key, { ...entry, value });
    await expect(runner, at, [1], 'miss');
  }
  await expect(runner, at, [1], 'redis');
});

test('of two servers that miss the same row one computes and the other waits for its answer', async () => {
  const clock = new SimulatedClock(1000);
  const redis = new FakeStore('redis', clock, true);
  const worlds = [world({ clock, stores: [redis] }), world({ clock, stores: [redis] })] as const;
  const runners = worlds.map((at) => at.wrap({ tiers: ['memory', 'redis'], shareFlights: true }));
  for (const at of worlds) at.inner.held = true;
  const first = ask(runners[0]!, worlds[0], [1]);
  await settle(clock);
  const second = ask(runners[1]!, worlds[1], [1]);
  await settle(clock);
  assert.deepEqual([worlds[0].inner.runs.length, worlds[1].inner.runs.length], [1, 0]);
  clock.advance(10);
  await settle(clock);
  worlds[0].inner.runs[0]!.answer();
  check(await first, [1]);
  for (let turn = 0; turn < 10; turn++) {
    clock.advance(10);
    await settle(clock);
  }
  const answer = await second;
  check(answer, [1]);
  assert.equal(answer.cache, 'redis');
  assert.equal(worlds[1].inner.runs.length, 0);
  assert.equal(redis.held.size, 0, 'the lease is given back');
});

test('who waits for another server computes itself when that one does not come back', async () => {
  const { at, redis, runner } = twoTiers({ tiers: ['redis'], shareFlights: true }, true);
  await expect(runner, at, [0], 'miss');
  const key = redis.reads[0]![0]!;
  redis.entries.clear();
  await settle(at.clock);
  redis.held.add(key);
  const pending = ask(runner, at, [0], { timeoutMs: 500 });
  for (let turn = 0; turn < 30; turn++) {
    await settle(at.clock);
    at.clock.advance(20);
  }
  check(await pending, [0]);
  assert.equal(at.inner.runs.length, 2);
});
