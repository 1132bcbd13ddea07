import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Grant } from '../../ports/access.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import { AccountTable } from './account-table.ts';
import { dayMs } from './day-count.ts';
import { policyText } from './limit-headers.ts';
import { apiKey, openWorld, settle } from './testing/access-world.ts';
import { FarLimits } from './testing/far-limits.ts';

describe('the limits of a caller', () => {
  const headersOf = (answer: unknown) =>
    (answer instanceof Error ? (answer as unknown as { details: Grant }).details : (answer as Grant)).headers;

  it('refuses beyond the rate with the time to wait and the headers, and lets in again after it', async () => {
    const { guard, ring, addKey, clock } = await openWorld();
    const key = addKey({ requestsPerSecond: 2, burst: 3 });
    await ring.refresh();
    const enter = () => guard.enter(apiKey(key), 'predict');
    const first = enter() as Grant;
    const policy = ['ratelimit-policy', '2;w=1;burst=3'];
    const limit = ['ratelimit-limit', '3'];
    assert.deepEqual(first.headers, [...limit, 'ratelimit-remaining', '2', 'ratelimit-reset', '1', ...policy]);
    enter();
    enter();
    const refused = enter() as Error & { code: string; details: object };
    assert.equal(refused.code, 'RATE_LIMITED');
    assert.deepEqual(refused.details, {
      retryAfterSeconds: 0.5,
      headers: [...limit, 'ratelimit-remaining', '0', 'ratelimit-reset', '2', ...policy],
    });
    clock.advance(500);
    assert.ok(!(enter() instanceof Error));
    assert.equal(guard.snapshot().limited, 1);
  });

  it('gives a place among concurrent requests back once, however often it is released', async () => {
    const { guard, ring, addKey } = await openWorld();
    const key = addKey({ concurrency: 2 });
    await ring.refresh();
    const enter = () => guard.enter(apiKey(key), 'predict') as Grant;
    const [first, second] = [enter(), enter()];
    assert.equal((enter() as unknown as { code: string }).code, 'RATE_LIMITED');
    assert.deepEqual(first.headers, []);
    first.release();
    first.release();
    assert.ok(!(enter() instanceof Error));
    assert.ok(enter() instanceof Error);
    second.release();
    assert.ok(!(enter() instanceof Error));
  });

  it('gives the place back when the rate refuses', async () => {
    const { guard, ring, addKey, clock } = await openWorld();
    const key = addKey({ concurrency: 1, requestsPerSecond: 1 });
    await ring.refresh();
    const enter = () => guard.enter(apiKey(key), 'predict') as Grant;
    enter().release();
    for (let turn = 0; turn < 3; turn++) assert.match(String(enter()), /requests per second/);
    clock.advance(1000);
    assert.ok(!(enter() instanceof Error));
  });

  it('counts a day until midnight UTC, and not what was refused', async () => {
    const { guard, ring, addKey, clock, unixMs } = await openWorld();
    const key = addKey({ requestsPerDay: 3 });
    await ring.refresh();
    const enter = () => guard.enter(apiKey(key), 'predict');
    for (let turn = 0; turn < 3; turn++) assert.ok(!(enter() instanceof Error));
    for (let turn = 0; turn < 5; turn++) {
      const refused = enter() as Error & { details: { retryAfterSeconds: number } };
      assert.equal(refused.details.retryAfterSeconds, 43_200);
      assert.deepEqual(headersOf(refused), [
        'ratelimit-limit',
        '3',
        'ratelimit-remaining',
        '0',
        'ratelimit-reset',
        '43200',
        'ratelimit-policy',
        '3;w=86400',
      ]);
    }
    clock.advance(dayMs - (unixMs() % dayMs) - 1);
    assert.ok(enter() instanceof Error);
    clock.advance(1);
    for (let turn = 0; turn < 3; turn++) assert.ok(!(enter() instanceof Error));
    assert.ok(enter() instanceof Error);
  });

  it('does not count for the day what the rate refused', async () => {
    const { guard, ring, addKey, clock } = await openWorld();
    const key = addKey({ requestsPerSecond: 1, requestsPerDay: 3 });
    await ring.refresh();
    const enter = () => guard.enter(apiKey(key), 'predict');
    for (let second = 0; second < 3; second++) {
      assert.ok(!(enter() instanceof Error));
      for (let turn = 0; turn < 3; turn++) assert.ok(enter() instanceof Error);
      clock.advance(1000);
    }
    assert.match(String(enter()), /3 requests of the day/);
  });

  it('shares a day among servers to within a block each', async () => {
    const clock = new SimulatedClock();
    const far = new FarLimits(clock);
    const table = () => new AccountTable({}, { clock, unixMs: () => clock.now(), shared: far });
    const servers = [table(), table()];
    const caller = { id: 'key:a', role: 'predict', models: undefined, limits: { requestsPerDay: 100 } } as const;
    let passed = 0;
    for (let turn = 0; turn < 300; turn++) {
      if (!((await servers[turn & 1]!.enter(caller)) instanceof Error)) passed++;
      await settle();
      clock.advance(1);
    }
    assert.ok(passed >= 100 && passed <= 102, `${passed} passed`);
    await Promise.all(servers.map((server) => server.flush()));
    assert.equal(far.days.get('key:a 0'), passed);
  });

  it('counts a day by itself while the other side is away, and tells it later', async () => {
    const clock = new SimulatedClock();
    const far = new FarLimits(clock);
    far.mode = 'fails';
    const table = new AccountTable({}, { clock, unixMs: () => clock.now(), shared: far });
    const caller = { id: 'key:a', role: 'predict', models: undefined, limits: { requestsPerDay: 5 } } as const;
    const answers = [];
    for (let turn = 0; turn < 7; turn++) {
      answers.push(table.enter(caller) instanceof Error);
      await settle();
    }
    assert.deepEqual(answers, [false, false, false, false, false, true, true]);
    assert.ok(far.calls <= 2);
    far.mode = 'works';
    await table.flush();
    assert.equal(far.days.get('key:a 0'), 5);
  });

  it('are the server’s where the caller has none, and changed ones hold at once', async () => {
    const { guard, ring, addKey, stored } = await openWorld({ defaults: { requestsPerSecond: 1, burst: 50 } });
    const [plain, own] = [addKey(), addKey({ requestsPerSecond: 4 })];
    await ring.refresh();
    const limitOf = (key: string) => headersOf(guard.enter(apiKey(key), 'predict'))[1];
    assert.equal(limitOf(plain), '50');
    assert.equal(limitOf(own), '4');
    stored[1] = { ...stored[1]!, limits: { requestsPerSecond: 7 } };
    await ring.refresh();
    assert.equal(limitOf(own), '7');
  });

  it('are forgotten when they are whole again, and never while a request is in', () => {
    const clock = new SimulatedClock();
    const table = new AccountTable({ requestsPerSecond: 1 }, { clock, unixMs: () => clock.now(), shared: undefined });
    const enter = (id: string) => table.enter({ id, role: 'predict', models: undefined, limits: {} }) as Grant;
    const kept = enter('kept');
    for (let index = 0; index < 20_000; index++) {
      enter(`user:${index}`).release();
      clock.advance(1);
    }
    assert.ok(table.size < 5000, `${table.size} accounts`);
    clock.advance(10_000);
    assert.ok(!(enter('kept') instanceof Error));
    kept.release();
  });

  it('are written as a policy', () => {
    const policy = (ratePerSecond: number | undefined, burst = 1, perDay?: number) =>
      policyText({ ratePerSecond, burst, perDay });
    assert.equal(policy(100, 100), '100;w=1');
    assert.equal(policy(100, 200, 5000), '100;w=1;burst=200, 5000;w=86400');
    assert.equal(policy(0.1), '1;w=10');
    assert.equal(policy(undefined, 1, 7), '7;w=86400');
  });
});
