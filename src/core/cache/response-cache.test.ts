import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKeyDigest } from '../../adapters/key-digest.ts';
import { MemoryCache } from '../../adapters/memory/memory-cache.ts';
import type { CacheConfig } from '../../ports/cache-config.ts';
import type { Runner } from '../runner.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import { type CacheWorld, cacheWorld, FakeStore, settle } from '../testing/cache-world.ts';

const digest = createKeyDigest();

function setUp() {
  const clock = new SimulatedClock(1000);
  const redis = new FakeStore('redis', clock);
  const at = cacheWorld({ digest, memory: new MemoryCache(10_000_000), clock, stores: [redis] });
  return { at, redis, clock };
}

async function outcome(runner: Runner, { clock }: CacheWorld, value: number): Promise<string | undefined> {
  const pending = runner.submit([{ datatype: 'float32', shape: [1, 2], data: new Float32Array([value, 0]) }], {
    priority: 0,
    arrivalMs: clock.now(),
    timeoutMs: undefined,
    solo: false,
    cancel: undefined,
  });
  await settle(clock);
  const answer = await pending;
  assert.deepEqual(answer.outputs[1]!.data, [String(value)]);
  return answer.cache;
}

const both: CacheConfig = { tiers: ['memory', 'redis'] };

test('models, versions and contents share nothing, and the same content loaded again finds its entries', async () => {
  const { at } = setUp();
  const runners = [
    at.wrap(),
    at.wrap({}, { name: 'other' }),
    at.wrap({}, { version: '2' }),
    at.wrap({}, {}, 'new content'),
  ];
  for (const runner of runners) assert.equal(await outcome(runner, at, 1), 'miss');
  for (const runner of runners) assert.equal(await outcome(runner, at, 1), 'memory');
  await runners[0]!.close();
  at.inner.closed = false;
  assert.equal(await outcome(at.wrap(), at, 1), 'memory');
});

test('invalidations by name, version and pattern drop what they name, everywhere, and are announced', async () => {
  const { at, redis } = setUp();
  const all = ['ab', 'abc', 'b'].flatMap((name) => ['1', '2'].map((version) => `${name}/${version}`));
  const runners = new Map(
    all.map((id) => {
      const [name, version] = id.split('/') as [string, string];
      return [id, at.wrap(both, { name, version })];
    }),
  );
  const cases: [{ model: string; version?: string }, string[]][] = [
    [{ model: 'ab' }, ['ab/1', 'ab/2']],
    [{ model: 'ab', version: '2' }, ['ab/2']],
    [{ model: 'ab*' }, ['ab/1', 'ab/2', 'abc/1', 'abc/2']],
    [{ model: '*' }, all],
    [{ model: 'unknown' }, []],
  ];
  for (const [invalidation, dropped] of cases) {
    for (const runner of runners.values()) await outcome(runner, at, 1);
    assert.equal(redis.entries.size, 6);
    const report = await at.cache.invalidate(invalidation);
    assert.deepEqual(report, { memory: dropped.length, far: { redis: dropped.length }, failed: [] });
    assert.deepEqual(at.published.at(-1), invalidation);
    for (const [id, runner] of runners) {
      assert.equal(await outcome(runner, at, 1), dropped.includes(id) ? 'miss' : 'memory', `${id}`);
    }
  }
});

test('a pattern a store cannot look for drops more there, never less', async () => {
  const { at, redis } = setUp();
  for (const name of ['abc', 'adc', 'add', 'b']) await outcome(at.wrap(both, { name }), at, 1);
  const report = await at.cache.invalidate({ model: 'a*c' });
  assert.equal(report.memory, 2);
  assert.deepEqual(
    [...redis.entries.keys()].map((key) => key.split('/')[0]),
    ['b'],
  );
});

test('another process’s announcement drops memory only', async () => {
  const { at, redis } = setUp();
  const runner = at.wrap(both);
  await outcome(runner, at, 1);
  at.hear({ model: 'dou*' });
  assert.equal(redis.entries.size, 1);
  assert.equal(at.published.length, 0);
  assert.equal(await outcome(runner, at, 1), 'redis');
});

test('an answer begun before an invalidation is not kept after it, in any tier and by any policy', async () => {
  for (const write of ['aside', 'through', 'behind'] as const) {
    const { at, redis, clock } = setUp();
    at.inner.held = true;
    const runner = at.wrap({ ...both, write });
    const old = outcome(runner, at, 1);
    await settle(clock);
    const invalidated = at.cache.invalidate({ model: 'double' });
    const young = outcome(runner, at, 1);
    await settle(clock);
    await invalidated;
    assert.equal(at.inner.runs.length, 2, 'who comes after it does not wait for it');
    at.inner.runs[0]!.answer();
    assert.equal(await old, 'miss');
    clock.advance(100);
    await settle(clock);
    assert.equal(redis.entries.size, 0);
    assert.equal(at.cache.status().memory?.entries, 0);
    at.inner.runs[1]!.answer();
    assert.equal(await young, 'miss');
    assert.equal(await outcome(runner, at, 1), 'memory');
  }
});

test('what waits to be written behind is forgotten by an invalidation', async () => {
  const { at, redis, clock } = setUp();
  const runner = at.wrap({ ...both, write: 'behind' });
  await outcome(runner, at, 1);
  await at.cache.invalidate({ model: '*' });
  await outcome(runner, at, 2);
  clock.advance(100);
  await settle(clock);
  assert.equal(redis.entries.size, 1);
});

test('a replaced content takes only its own entries with it', async () => {
  const { at, redis } = setUp();
  const old = at.wrap(both, {}, 'old');
  const young = at.wrap(both, {}, 'young');
  for (const runner of [old, young]) await outcome(runner, at, 1);
  const report = await at.cache.invalidateReplaced('double', '1', 'old');
  assert.deepEqual(report, { memory: 1, far: { redis: 1 }, failed: [] });
  assert.equal(redis.entries.size, 1);
  assert.equal(await outcome(young, at, 1), 'memory');
  assert.deepEqual(at.published, [{ model: 'double', version: '1' }]);
});

test('a store that cannot be cleared is named and the rest is done', async () => {
  const { at, redis } = setUp();
  await outcome(at.wrap(both), at, 1);
  redis.mood = 'fails';
  const report = await at.cache.invalidate({ model: '*' });
  assert.deepEqual(report, { memory: 1, far: {}, failed: ['redis'] });
  assert.equal(at.published.length, 1);
});

test('the status says what each model holds, and relief gives half of it back', async () => {
  const { at } = setUp();
  const one = at.wrap();
  const two = at.wrap({}, { name: 'two' });
  for (let row = 0; row < 10; row++) await outcome(one, at, row);
  for (let row = 0; row < 30; row++) await outcome(two, at, row);
  const { models, memory, tiers } = at.cache.status();
  assert.deepEqual(
    models.map(({ model, loaded, entries }) => [model, loaded, entries]),
    [
      ['double', true, 10],
      ['two', true, 30],
    ],
  );
  assert.equal(models[0]!.bytes + models[1]!.bytes, memory?.bytes);
  assert.deepEqual(tiers, [{ tier: 'redis', breaker: 'closed' }]);
  at.cache.relieve();
  const entries = at.cache.status().memory!.entries;
  assert.ok(entries >= 18 && entries <= 20, String(entries));
});

test('while a version is warmed everything is kept, however little it hits', async () => {
  const { at } = setUp();
  const runner = at.wrap();
  const misses = async (from: number, count: number) => {
    for (let row = from; row < from + count; row++) {
      const data = new Float32Array([row, 0]);
      await runner.submit([{ datatype: 'float32', shape: [1, 2], data }], {
        priority: 0,
        arrivalMs: at.clock.now(),
        timeoutMs: undefined,
        solo: false,
        cancel: undefined,
      });
    }
    return at.cache.status().memory!.entries;
  };
  const choosy = await misses(0, 4196);
  assert.ok(choosy < 4150, 'without hits most new answers are not kept');
  const end = at.cache.warming('double', '1');
  assert.equal(await misses(10_000, 500), choosy + 500);
  end();
  end();
  assert.ok((await misses(20_000, 500)) < choosy + 550);
});

test('tiers the server does not have are left out and named; without any the runner is the model’s own', () => {
  const at = cacheWorld({ digest, memory: undefined });
  assert.equal(at.wrap({ tiers: ['memory', 'redis', 'database'], shareFlights: true }), at.inner);
  const { notes, farTiers, memory } = at.cache.settings({ tiers: ['memory', 'redis', 'database'], shareFlights: true });
  assert.deepEqual([farTiers, memory], [[], false]);
  assert.equal(notes.length, 4);
  assert.match(notes[1]!, /redis.*redisUrl/);
});
