import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createKeyDigest } from '../../adapters/key-digest.ts';
import { MemoryCache } from '../../adapters/memory/memory-cache.ts';
import type { CacheConfig } from '../../ports/cache-config.ts';
import type { SubmitOptions } from '../batching/batcher.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import { HotpathError } from '../errors.ts';
import type { Runner } from '../runner.ts';
import type { Tensor } from '../tensor.ts';
import { type CacheWorld, type CacheWorldOptions, cacheWorld, FakeStore, settle } from '../testing/cache-world.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { CancelToken } from '../types.ts';
import type { CachedRunner } from './cached-runner.ts';

const digest = createKeyDigest();
const world = (options: Partial<CacheWorldOptions> = {}) =>
  cacheWorld({ digest, memory: new MemoryCache(10_000_000), ...options });

const rowsOf = (...rows: readonly number[]): Tensor[] => [
  { datatype: 'float32', shape: [rows.length, 2], data: new Float32Array(rows.flatMap((row) => [row, row + 0.5])) },
];

function ask(runner: Runner, { clock }: CacheWorld, rows: readonly number[], options: Partial<SubmitOptions> = {}) {
  return runner.submit(rowsOf(...rows), {
    priority: 0,
    arrivalMs: clock.now(),
    timeoutMs: undefined,
    solo: false,
    cancel: undefined,
    ...options,
  });
}

function check({ outputs }: BatchAnswer, rows: readonly number[]): void {
  assert.deepEqual(
    outputs.map(({ shape }) => shape),
    [[rows.length, 2], [rows.length]],
  );
  assert.deepEqual(
    Array.from(outputs[0]!.data as Float32Array),
    rows.flatMap((row) => [row * 10, (row + 0.5) * 10]),
  );
  assert.deepEqual(outputs[1]!.data, rows.map(String));
}

async function expect(runner: Runner, at: CacheWorld, rows: readonly number[], outcome: string, options = {}) {
  const pending = ask(runner, at, rows, options);
  await settle(at.clock);
  const answer = await pending;
  check(answer, rows);
  assert.equal(answer.cache, outcome);
  return answer;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'OK',
    (error: HotpathError) => error.code,
  );
const flightsOf = (runner: Runner) => (runner as CachedRunner).flights;

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

test('a thousand identical requests at once run the model once', async () => {
  for (const stores of [[], [new FakeStore('redis', new FakeClock())]]) {
    const at = world({ stores });
    at.inner.held = true;
    const runner = at.wrap({ tiers: stores.length === 0 ? ['memory'] : ['memory', 'redis'] });
    const answers = Array.from({ length: 1000 }, () => ask(runner, at, [5]));
    await settle(at.clock);
    assert.equal(at.inner.runs.length, 1);
    at.inner.runs[0]!.answer();
    for (const answer of await Promise.all(answers)) check(answer, [5]);
    assert.deepEqual(at.telemetry.rows, { miss: 1, joined: 999 });
    assert.equal(flightsOf(runner), 0);
  }
});

test('a leader that leaves does not take the others with it, and is let go only when its inputs are read no more', async () => {
  const at = world();
  at.inner.held = true;
  const runner = at.wrap();
  const cancel = new CancelToken();
  const leader = codeOf(ask(runner, at, [5], { cancel }));
  const follower = ask(runner, at, [5]);
  cancel.cancel();
  let released = false;
  void leader.then(() => {
    released = true;
  });
  await settle(at.clock);
  assert.equal(at.inner.open.length, 1);
  assert.equal(released, false);
  at.inner.runs[0]!.answer();
  check(await follower, [5]);
  assert.equal(await leader, 'CANCELLED');
  assert.equal(at.inner.runs.length, 1);
  assert.equal(at.telemetry.cancellations, 1);
});

test('when all have left, the computation is cancelled', async () => {
  const at = world();
  at.inner.held = true;
  const runner = at.wrap();
  const tokens = [new CancelToken(), new CancelToken(), new CancelToken()];
  const codes = tokens.map((cancel) => codeOf(ask(runner, at, [5], { cancel })));
  for (const token of tokens) token.cancel();
  assert.deepEqual(await Promise.all(codes), ['CANCELLED', 'CANCELLED', 'CANCELLED']);
  assert.deepEqual(
    at.inner.runs.map(({ settled }) => settled),
    [true],
  );
  assert.equal(flightsOf(runner), 0);
  await codeOf(ask(runner, at, [5], { cancel: tokens[0] }));
  assert.equal(at.inner.runs.length, 1, 'who left before it began runs nothing');
});

test('a follower has its own deadline', async () => {
  const at = world();
  at.inner.held = true;
  const runner = at.wrap();
  const leader = ask(runner, at, [5], { timeoutMs: 5000 });
  const hasty = codeOf(ask(runner, at, [5], { timeoutMs: 10 }));
  const patient = ask(runner, at, [5]);
  at.clock.advance(11);
  assert.equal(await hasty, 'DEADLINE_EXCEEDED');
  at.inner.runs[0]!.answer();
  check(await leader, [5]);
  check(await patient, [5]);
  assert.equal(at.telemetry.expirations, 1);
  at.clock.runToEnd();
});

test('a follower that allows a year is not turned away by a timer that cannot count so far', async () => {
  const delays: number[] = [];
  class Watched extends FakeClock {
    override after(delayMs: number, run: () => void) {
      delays.push(delayMs);
      return super.after(delayMs, run);
    }
  }
  const at = world({ clock: new Watched(1000) });
  at.inner.held = true;
  const runner = at.wrap();
  const both = [ask(runner, at, [5]), ask(runner, at, [5], { timeoutMs: 365 * 86_400_000 })];
  at.inner.runs[0]!.answer();
  for (const answer of await Promise.all(both)) check(answer, [5]);
  assert.deepEqual(delays, [2 ** 31 - 1]);
});

test('what a leader fails of alone, its followers try again', async () => {
  for (const code of ['DEADLINE_EXCEEDED', 'CANCELLED', 'OVERLOADED'] as const) {
    const at = world();
    at.inner.held = true;
    const runner = at.wrap();
    const leader = codeOf(ask(runner, at, [5], { timeoutMs: 1 }));
    const followers = [ask(runner, at, [5]), ask(runner, at, [5])];
    at.inner.runs[0]!.fail(new HotpathError(code, 'only mine'));
    await settle(at.clock);
    assert.equal(await leader, code);
    assert.equal(at.inner.runs.length, 2, 'one of them leads');
    at.inner.runs[1]!.answer();
    for (const answer of await Promise.all(followers)) check(answer, [5]);
    assert.equal(flightsOf(runner), 0);
  }
});

test('refusals do not go round the followers one by one', async () => {
  const at = world();
  at.inner.held = true;
  const runner = at.wrap();
  const codes = Array.from({ length: 100 }, () => codeOf(ask(runner, at, [5])));
  for (let turn = 0; turn < 10; turn++) {
    for (const run of at.inner.open) run.fail(new HotpathError('OVERLOADED', 'no room'));
    await settle(at.clock);
  }
  assert.deepEqual(new Set(await Promise.all(codes)), new Set(['OVERLOADED']));
  assert.ok(at.inner.runs.length <= 3);
});

test('errors of the input are everybody’s, and forgotten at once', async () => {
  const at = world();
  at.inner.held = true;
  const runner = at.wrap();
  const codes = [codeOf(ask(runner, at, [5])), codeOf(ask(runner, at, [5, 6])), codeOf(ask(runner, at, [5]))];
  at.inner.runs[0]!.fail(new HotpathError('POISON_INPUT', 'bad'));
  assert.deepEqual(await Promise.all(codes), ['POISON_INPUT', 'POISON_INPUT', 'POISON_INPUT']);
  assert.equal(flightsOf(runner), 0);
  at.inner.held = false;
  await expect(runner, at, [5], 'miss');
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

function twoTiers(config: CacheConfig = {}, withLeases = false) {
  const clock = new FakeClock(1000);
  const redis = new FakeStore('redis', clock, withLeases);
  const database = new FakeStore('database', clock);
  const at = world({ clock, stores: [redis, database] });
  const runner = at.wrap({ tiers: ['memory', 'redis', 'database'], jitter: 0, ...config });
  return { at, redis, database, runner };
}

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
  const clock = new FakeClock(1000);
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

type Step =
  | { readonly do: 'ask'; readonly rows: readonly number[]; readonly timeoutMs: number; readonly mode: number }
  | { readonly do: 'cancel' | 'answer' | 'fail'; readonly which: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'settle' | 'invalidate' | 'mood' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      rows: fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }),
      timeoutMs: fc.constantFrom(5, 40, 10_000),
      mode: fc.nat(9),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('cancel', 'answer', 'fail'), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat(60) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('settle', 'invalidate', 'mood') }) },
);

test('whatever happens in whatever order: answers are right, everybody hears once, and nothing stays behind', async () => {
  const failures = ['ENGINE_FAILED', 'OVERLOADED', 'DEADLINE_EXCEEDED'] as const;
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 40 }), fc.nat(3), async (script, tiers) => {
      const { at, redis, database, runner } = twoTiers(
        {
          tiers: (['memory', 'redis', 'database'] as const).slice(0, Math.min(3, tiers + 1)),
          ttlMs: 50,
          staleMs: tiers === 3 ? 30 : 0,
          shareFlights: tiers === 3,
          write: (['aside', 'through', 'behind', 'aside'] as const)[tiers]!,
        },
        true,
      );
      at.inner.held = true;
      const calls: { rows: readonly number[]; inputs: Tensor[]; cancel: CancelToken; heard: number; code: string }[] =
        [];
      for (const step of script) {
        if (step.do === 'ask') {
          const cancel = new CancelToken();
          const inputs = rowsOf(...step.rows);
          const call = { rows: step.rows, inputs, cancel, heard: 0, code: '' };
          calls.push(call);
          const { timeoutMs, mode } = step;
          const hear = (code: string) => {
            call.heard++;
            call.code = code;
            // After the answer the protocol reuses the memory of the request.
            (inputs[0]!.data as Float32Array).fill(99);
          };
          runner
            .submit(inputs, {
              priority: (mode % 4) as 0,
              arrivalMs: at.clock.now(),
              timeoutMs,
              solo: false,
              cancel,
              cache: mode === 9 ? 'no-cache' : mode === 8 ? 'no-store' : undefined,
            })
            .then(
              (answer) => {
                check(answer, step.rows);
                hear('OK');
              },
              (error: HotpathError) => hear(error.code),
            )
            .catch((error: unknown) => {
              call.code = `wrong: ${String(error)}`;
            });
        } else if (step.do === 'cancel') calls[step.which % calls.length]?.cancel.cancel();
        else if (step.do === 'answer') at.inner.open[step.which % at.inner.open.length]?.answer();
        else if (step.do === 'fail') {
          const code = failures[step.which % failures.length]!;
          at.inner.open[step.which % at.inner.open.length]?.fail(new HotpathError(code, 'test'));
        } else if (step.do === 'advance') at.clock.advance(step.ms);
        else if (step.do === 'invalidate') void at.cache.invalidate({ model: 'dou*' });
        else if (step.do === 'mood') redis.mood = redis.mood === 'works' ? 'fails' : 'works';
        if (step.do === 'settle') await settle(at.clock);
        else await Promise.resolve();
      }
      redis.mood = 'works';
      for (let turn = 0; turn < 400 && (calls.some(({ heard }) => heard === 0) || flightsOf(runner) > 0); turn++) {
        for (const run of at.inner.open) run.answer();
        await settle(at.clock);
        at.clock.advance(50);
      }
      for (const { heard, code } of calls) {
        assert.equal(heard, 1, code);
        assert.ok(['OK', 'CANCELLED', ...failures].includes(code), code);
      }
      assert.equal(flightsOf(runner), 0);
      assert.equal(at.inner.open.length, 0);
      for (let row = 0; row <= 5; row++) {
        const pending = ask(runner, at, [row]);
        await settle(at.clock);
        for (const run of at.inner.open) run.answer();
        for (let turn = 0; turn < 5; turn++) {
          await settle(at.clock);
          at.clock.advance(30);
          for (const run of at.inner.open) run.answer();
        }
        check(await pending, [row]);
      }
      assert.ok(database.entries.size <= 6);
    }),
    { numRuns: 150 },
  );
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
