import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { BucketRule } from '../../ports/shared-limits.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import { blockSize, SharedBucket } from './shared-bucket.ts';
import { settle } from './testing/access-world.ts';
import { FarLimits } from './testing/far-limits.ts';
import { TokenBucket } from './token-bucket.ts';

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
    const clock = new SimulatedClock();
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
