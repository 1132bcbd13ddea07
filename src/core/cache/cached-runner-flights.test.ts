import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HotpathError } from '../errors.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import { FakeStore, settle } from '../testing/cache-world.ts';
import { ask, check, codeOf, expect, flightsOf, world } from '../testing/cached-runner-world.ts';
import { CancelToken } from '../types.ts';

test('a thousand identical requests at once run the model once', async () => {
  for (const stores of [[], [new FakeStore('redis', new SimulatedClock())]]) {
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
  class Watched extends SimulatedClock {
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
