/** Limits that servers share through a real Redis. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import type { RedisLink } from '../../src/adapters/redis/open-redis.ts';
import { connected, linkTo } from './support/redis-link.ts';
import { type RedisServer, startRedisServer, withoutRedis } from './support/redis-server.ts';
import { until } from './support/until.ts';

const skip = withoutRedis();
/** So slow that nothing comes back during a test. */
const slow = { ratePerSecond: 0.001, burst: 10 };

describe('limits over Redis', { skip }, () => {
  let server: RedisServer;
  let links: readonly [RedisLink, RedisLink];
  let plain: Redis;
  let buckets = 0;
  before(async () => {
    server = await startRedisServer();
    links = [await connected(linkTo(server.url)), await connected(linkTo(server.url))];
    plain = new Redis(server.url);
  });
  after(async () => {
    plain?.disconnect();
    await Promise.all((links ?? []).map((link) => link.close()));
    await server?.stop();
  });
  const newBucket = () => `bucket ${++buckets}`;

  it('grant up to the burst, then say when the next token comes', async () => {
    const bucket = newBucket();
    const { limits } = links[0];
    assert.deepEqual(await limits.take(bucket, 4, slow), { granted: 4, remaining: 6, retryAfterMs: 0 });
    for (const granted of [6, 0]) {
      const taken = await limits.take(bucket, 9, slow);
      assert.deepEqual([taken.granted, taken.remaining], [granted, 0]);
      assert.ok(taken.retryAfterMs > 900_000 && taken.retryAfterMs <= 1_000_000, `${taken.retryAfterMs} ms`);
    }
  });

  it('grant nothing to who wants nothing, and show what is left', async () => {
    const bucket = newBucket();
    assert.deepEqual(await links[0].limits.take(bucket, 0, slow), { granted: 0, remaining: 10, retryAfterMs: 0 });
    assert.equal((await links[0].limits.take(bucket, 10, slow)).granted, 10);
  });

  it('are shared: a hundred takes over two links get the burst and no more', async () => {
    const bucket = newBucket();
    const taken = await Promise.all(
      Array.from({ length: 100 }, (_, index) => links[index % 2]!.limits.take(bucket, 1, slow)),
    );
    assert.equal(taken.filter(({ granted }) => granted === 1).length, 10);
  });

  it('come back with time', async () => {
    const bucket = newBucket();
    const rule = { ratePerSecond: 50, burst: 2 };
    assert.equal((await links[0].limits.take(bucket, 2, rule)).granted, 2);
    await until(async () => (await links[1].limits.take(bucket, 1, rule)).granted === 1);
  });

  it('never grant more than the burst and what came back since', async () => {
    const rules = fc.record({
      ratePerSecond: fc.double({ min: 0.1, max: 2000, noNaN: true }),
      burst: fc.integer({ min: 1, max: 50 }),
    });
    const step = fc.record({ wanted: fc.integer({ min: 0, max: 60 }), pauseMs: fc.constantFrom(0, 0, 0, 1, 3) });
    await fc.assert(
      fc.asyncProperty(rules, fc.array(step, { minLength: 1, maxLength: 25 }), async (rule, steps) => {
        const bucket = newBucket();
        const startMs = performance.now();
        let total = 0;
        for (const [index, { wanted, pauseMs }] of steps.entries()) {
          if (pauseMs > 0) await delay(pauseMs);
          const taken = await links[index % 2]!.limits.take(bucket, wanted, rule);
          assert.ok(taken.granted <= wanted && taken.granted >= 0 && Number.isInteger(taken.granted));
          assert.ok(taken.remaining >= 0 && taken.remaining <= rule.burst);
          assert.ok(taken.granted === wanted || taken.remaining === 0, 'tokens were left that were wanted');
          total += taken.granted;
          const seconds = (performance.now() - startMs) / 1000;
          assert.ok(
            total <= rule.burst + seconds * rule.ratePerSecond + 1e-6,
            `${total} of ${JSON.stringify(rule)} in ${seconds} s`,
          );
        }
      }),
      { numRuns: 40 },
    );
  });

  it('forget a bucket that is idle until it is full', async () => {
    const bucket = newBucket();
    await links[0].limits.take(bucket, 10, { ratePerSecond: 1, burst: 100 });
    const leftMs = await plain.pttl(`hotpath:bucket:${bucket}`);
    assert.ok(leftMs > 9_000 && leftMs <= 11_000, `${leftMs} ms left; ten tokens come back in 10 s`);
  });

  it('take an unreadable bucket, or one from the future, for what it can be', async () => {
    const [garbage, future] = [newBucket(), newBucket()];
    await plain.set(`hotpath:bucket:${garbage}`, 'not a bucket');
    assert.equal((await links[0].limits.take(garbage, 20, slow)).granted, 10);
    await plain.set(`hotpath:bucket:${future}`, `3 ${Date.now() + 1e9}`);
    assert.equal((await links[0].limits.take(future, 20, slow)).granted, 3);
  });

  it('never hold more than the burst, however long a bucket is idle', async () => {
    const bucket = newBucket();
    await plain.set(`hotpath:bucket:${bucket}`, `3 ${Date.now() - 1e9}`);
    assert.equal((await links[0].limits.take(bucket, 20, slow)).granted, 10);
  });

  it('never refill a bucket whose rate is zero', async () => {
    const bucket = newBucket();
    const rule = { ratePerSecond: 0, burst: 1 };
    assert.equal((await links[0].limits.take(bucket, 1, rule)).granted, 1);
    const empty = await links[0].limits.take(bucket, 1, rule);
    assert.equal(empty.granted, 0);
    assert.ok(Number.isSafeInteger(empty.retryAfterMs) && empty.retryAfterMs > 0);
  });

  it('count a day over all links, apart from other days and counters, and forget it a day later', async () => {
    const today = Math.floor(Date.now() / 86_400_000);
    const added = await Promise.all(
      Array.from({ length: 20 }, (_, index) => links[index % 2]!.limits.addToDay('alice', today, 5)),
    );
    assert.deepEqual(
      added.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, index) => 5 * (index + 1)),
    );
    assert.equal(await links[0].limits.addToDay('alice', today + 1, 1), 1);
    assert.equal(await links[0].limits.addToDay('bob', today, 0), 0);
    const endsMs = Date.now() + (await plain.pttl(`hotpath:day:${today}:alice`));
    assert.ok(Math.abs(endsMs - (today + 2) * 86_400_000) < 5000, new Date(endsMs).toISOString());
  });

  it('go on after Redis forgot its scripts', async () => {
    const bucket = newBucket();
    await links[0].limits.take(bucket, 1, slow);
    await plain.script('FLUSH');
    const taken = await Promise.all(Array.from({ length: 5 }, () => links[0].limits.take(bucket, 1, slow)));
    assert.deepEqual(
      taken.map(({ remaining }) => remaining).toSorted((a, b) => a - b),
      [4, 5, 6, 7, 8],
    );
  });
});
