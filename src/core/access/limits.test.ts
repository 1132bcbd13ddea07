import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Grant } from '../../ports/access.ts';
import type { BucketRule, SharedLimits, Taken } from '../../ports/shared-limits.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { AccountTable } from './account-table.ts';
import { dayMs } from './day-count.ts';
import { policyText } from './limit-headers.ts';
import { blockSize, SharedBucket } from './shared-bucket.ts';
import { apiKey, openWorld, settle } from './testing/access-world.ts';
import { TokenBucket } from './token-bucket.ts';

/** What Redis does, in memory. */
class FarLimits implements SharedLimits {
  readonly #clock: FakeClock;
  readonly #buckets = new Map<string, TokenBucket>();
  readonly days = new Map<string, number>();
  calls = 0;
  mode: 'works' | 'fails' | 'hangs' = 'works';

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async take(name: string, wanted: number, rule: BucketRule): Promise<Taken> {
    await this.#answer();
    const nowMs = this.#clock.now();
    const bucket = this.#buckets.get(name) ?? new TokenBucket(rule, nowMs);
    this.#buckets.set(name, bucket);
    let granted = 0;
    while (granted < wanted && bucket.take(nowMs)) granted++;
    return { granted, remaining: bucket.remaining(nowMs), retryAfterMs: bucket.retryAfterMs(nowMs) };
  }

  async addToDay(counter: string, day: number, count: number): Promise<number> {
    await this.#answer();
    const name = `${counter} ${day}`;
    const total = (this.days.get(name) ?? 0) + count;
    this.days.set(name, total);
    return total;
  }

  async #answer(): Promise<void> {
    this.calls++;
    if (this.mode === 'fails') throw new Error('away');
    if (this.mode === 'hangs') await new Promise(() => {});
  }
}

const steps = fc.array(fc.record({ waitMs: fc.nat(300), requests: fc.nat(40) }), { maxLength: 40 });
const rules = fc.record({ ratePerSecond: fc.integer({ min: 1, max: 500 }), burst: fc.integer({ min: 1, max: 100 }) });

describe('a token bucket', () => {
  it('never lets through more than burst + rate * time, and all of that when asked often', () => {
    fc.assert(
      fc.property(rules, steps, (rule, plan) => {
        const bucket = new TokenBucket(rule, 0);
        let nowMs = 0;
        let passed = 0;
        for (const { waitMs, requests } of plan) {
          nowMs += waitMs;
          for (let index = 0; index < requests; index++) if (bucket.take(nowMs)) passed++;
          assert.ok(passed <= rule.burst + (rule.ratePerSecond * nowMs) / 1000 + 1e-6);
          assert.ok(bucket.remaining(nowMs) <= rule.burst);
        }
      }),
    );
    const bucket = new TokenBucket({ ratePerSecond: 10, burst: 5 }, 0);
    let passed = 0;
    for (let nowMs = 0; nowMs <= 1000; nowMs++) if (bucket.take(nowMs)) passed++;
    assert.equal(passed, 15);
  });

  it('has a token exactly when it said it would', () => {
    fc.assert(
      fc.property(rules, (rule) => {
        const bucket = new TokenBucket(rule, 0);
        while (bucket.take(0));
        const waitMs = bucket.retryAfterMs(0);
        assert.equal(bucket.take(waitMs * 0.99), false);
        assert.equal(bucket.take(waitMs * 1.000001), true);
      }),
    );
  });

  it('ignores a clock that goes backwards', () => {
    const bucket = new TokenBucket({ ratePerSecond: 1, burst: 1 }, 1000);
    assert.equal(bucket.take(1000), true);
    assert.equal(bucket.take(0), false);
    assert.equal(bucket.take(1999), false);
    assert.equal(bucket.take(2000), true);
  });
});

describe('a shared bucket', () => {
  const open = (rule: BucketRule, count: number) => {
    const clock = new FakeClock();
    const far = new FarLimits(clock);
    return { clock, far, servers: Array.from({ length: count }, () => new SharedBucket('key:a', rule, far, clock)) };
  };

  it('never lets two servers together through more than burst + rate * time', async () => {
    await fc.assert(
      fc.asyncProperty(rules, steps, async (rule, plan) => {
        const { clock, servers } = open(rule, 2);
        let passed = 0;
        for (const { waitMs, requests } of plan) {
          clock.advance(waitMs);
          const asked = Array.from({ length: requests }, (_, index) => servers[index & 1]!.take(clock.now()));
          passed += (await Promise.all(asked)).filter(Boolean).length;
          // What was taken ahead may be used later, within the block of each server.
          const parked = 2 * blockSize(rule);
          assert.ok(passed <= rule.burst + (rule.ratePerSecond * clock.now()) / 1000 + parked + 1e-6);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('answers at once in the common case, with few round trips', async () => {
    const { clock, far, servers } = open({ ratePerSecond: 1000, burst: 1000 }, 1);
    assert.equal(await servers[0]!.take(0), true);
    let promises = 0;
    for (let nowMs = 1; nowMs <= 500; nowMs++) {
      clock.advance(1);
      const taken = servers[0]!.take(clock.now());
      if (taken instanceof Promise) promises++;
      assert.equal(await taken, true);
      await settle();
    }
    assert.equal(promises, 0);
    assert.ok(far.calls <= 25, `${far.calls} round trips for 501 requests`);
  });

  it('refuses without a round trip until the time the other side named', async () => {
    const { clock, far, servers } = open({ ratePerSecond: 1, burst: 1 }, 1);
    const [bucket] = servers;
    assert.equal(await bucket!.take(0), true);
    assert.equal(await bucket!.take(0), false);
    const calls = far.calls;
    assert.equal(bucket!.take(0), false);
    assert.equal(bucket!.retryAfterMs(0), 1000);
    assert.equal(far.calls, calls);
    clock.advance(1001);
    assert.equal(await bucket!.take(clock.now()), true);
  });

  it('loses what it took ahead and did not use, so that a pause gives one burst and not more', async () => {
    const { clock, servers } = open({ ratePerSecond: 100, burst: 128 }, 1);
    const bucket = servers[0]!;
    assert.equal(await bucket.take(0), true);
    clock.advance(600_000);
    let passed = 0;
    while (await bucket.take(clock.now())) passed++;
    assert.equal(passed, 128);
  });

  it('goes on where it was when the other side fails in the middle', async () => {
    const { clock, far, servers } = open({ ratePerSecond: 1, burst: 5 }, 1);
    const bucket = servers[0]!;
    for (let turn = 0; turn < 4; turn++) assert.equal(await bucket.take(0), true);
    far.mode = 'fails';
    assert.deepEqual([await bucket.take(0), await bucket.take(clock.now())], [true, false]);
  });

  for (const mode of ['fails', 'hangs'] as const) {
    it(`limits by its own count while the other side ${mode}, and comes back`, async () => {
      const { clock, far, servers } = open({ ratePerSecond: 10, burst: 5 }, 1);
      const bucket = servers[0]!;
      far.mode = mode;
      const first = bucket.take(0);
      await settle();
      clock.advance(mode === 'hangs' ? 50 : 0);
      assert.equal(await first, true);
      const calls = far.calls;
      const rest = Array.from({ length: 10 }, () => bucket.take(clock.now()));
      assert.deepEqual(rest, [true, true, true, true, ...Array(6).fill(false)]);
      assert.equal(bucket.remaining(clock.now()), 0);
      assert.equal(far.calls, calls);
      far.mode = 'works';
      clock.advance(1001);
      assert.equal(await bucket.take(clock.now()), true);
      assert.equal(far.calls, calls + 1);
    });
  }
});

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
    const clock = new FakeClock();
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
    const clock = new FakeClock();
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
    const clock = new FakeClock();
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
