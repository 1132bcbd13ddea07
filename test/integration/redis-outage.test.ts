/** A Redis that is absent, killed under load, or stands still: every call ends in time, nothing is thrown aside, and it comes back. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisLink } from '../../src/adapters/redis/open-redis.ts';
import { freePort } from '../../src/cli/free-port.ts';
import { HotpathError } from '../../src/core/errors.ts';
import { textEntry } from './support/cache-store-contract.ts';
import { connected, linkTo } from './support/redis-link.ts';
import { startRedisServer, withoutRedis } from './support/redis-server.ts';
import { until } from './support/until.ts';

const skip = withoutRedis();
/** How soon a link must serve again after its Redis does. */
const backWithinMs = 5000;

async function answers(link: RedisLink): Promise<boolean> {
  return link.cache.getMany(['any']).then(
    () => true,
    () => false,
  );
}

/** All that a server asks of Redis while it serves. */
function calls(link: RedisLink, round: number): Promise<unknown>[] {
  const key = `k${round % 50}`;
  return [
    link.cache.getMany([key, 'absent']),
    link.cache.setMany([textEntry(key, 'v'.repeat(2000))]),
    link.cache.leases!.acquire(key, 50).then((won) => (won ? link.cache.leases!.release(key) : undefined)),
    link.limits.take('bucket', 1, { ratePerSecond: 1000, burst: 1000 }),
    link.limits.addToDay('counter', 30_000, 1),
    link.readFeatures([`user:${round}`]),
    link.bus.publish({ model: 'm' }),
  ];
}

async function codesOf(begun: readonly Promise<unknown>[]): Promise<(string | undefined)[]> {
  const results = await Promise.allSettled(begun);
  return results.map((result) => (result.status === 'rejected' ? result.reason.code : undefined));
}

describe('a Redis that fails', { skip }, () => {
  it('may be absent at the start: calls are refused until it is there', async () => {
    const port = await freePort();
    const link = linkTo(`redis://127.0.0.1:${port}`);
    await until(() => link.pool.status().lastError !== undefined);
    assert.deepEqual(await codesOf(calls(link, 0)), Array(7).fill('OVERLOADED'));
    assert.equal(link.pool.status().lastError, 'ECONNREFUSED');
    await using _server = await startRedisServer({ port });
    await until(() => answers(link), backWithinMs);
    await link.close();
  });

  it('may be killed under load and come back: every call ends in time', async () => {
    await using server = await startRedisServer();
    const timeoutMs = 500;
    const link = await connected(linkTo(server.url, { timeoutMs }));
    link.bus.onInvalidation(() => {});
    const codes = new Map<string, number>();
    let [stop, longestMs, answered] = [false, 0, 0];
    const count = (error: unknown) => {
      assert.ok(error instanceof HotpathError, `not a HotpathError: ${error}`);
      codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
    };
    const load = Promise.all(
      Array.from({ length: 32 }, async (_, worker) => {
        for (let round = worker; !stop; round++) {
          const startMs = performance.now();
          const results = await Promise.allSettled(calls(link, round));
          longestMs = Math.max(longestMs, performance.now() - startMs);
          for (const result of results) {
            if (result.status === 'fulfilled') answered++;
            else count(result.reason);
          }
          // Lets the loop turn while calls are refused at once.
          await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );
    try {
      for (let outage = 0; outage < 2; outage++) {
        const before = answered;
        await until(() => answered > before + 500);
        await server.kill();
        assert.equal(await answers(link), false);
        await server.restart();
        await until(() => answers(link), backWithinMs);
      }
    } finally {
      stop = true;
      await load;
    }
    // A lease is two calls one after the other; the rest is for a machine that is busy with other things.
    assert.ok(longestMs < 2 * timeoutMs + 3000, `a call took ${longestMs} ms`);
    assert.deepEqual(
      [...codes.keys()].filter((code) => code !== 'OVERLOADED' && code !== 'DEADLINE_EXCEEDED'),
      [],
    );
    assert.ok(codes.get('OVERLOADED')! > 0);
    assert.ok(link.pool.status().recycled >= 4, 'two outages of two connections');
    await link.close();
  });

  it('may die with calls under way: they end then, not at their timeout', async () => {
    await using server = await startRedisServer();
    const link = await connected(linkTo(server.url, { timeoutMs: 60_000 }));
    server.pause();
    const codes = codesOf(calls(link, 0));
    await server.kill();
    assert.deepEqual(await codes, Array(7).fill('OVERLOADED'));
    await link.close();
  });

  it('may stand still: calls time out, then are refused, and go on when it does', async () => {
    await using server = await startRedisServer();
    const link = await connected(linkTo(server.url, { timeoutMs: 200 }));
    await link.cache.setMany([textEntry('before', 'still there')]);
    server.pause();
    assert.deepEqual(await codesOf(calls(link, 0)), Array(7).fill('DEADLINE_EXCEEDED'));
    assert.ok(link.pool.status().timeouts >= 7);
    // The driver must not hold ever more commands for a Redis that takes none.
    await until(async () => {
      const error = await link.cache.getMany(['before']).then(
        () => assert.fail('answered while it stood still'),
        (reason: HotpathError) => reason,
      );
      return error.code === 'OVERLOADED';
    });
    server.resume();
    await until(() => answers(link), backWithinMs);
    const [found] = await link.cache.getMany(['before']);
    assert.equal(new TextDecoder().decode(found!.value), 'still there');
    await link.close();
  });

  it('may take nothing more: what is not sent yet is bounded', async () => {
    await using server = await startRedisServer();
    const link = await connected(linkTo(server.url, { timeoutMs: 3000, connections: 1 }));
    server.pause();
    const value = randomBytes(15 * 2 ** 20);
    const large = codesOf(
      Array.from({ length: 6 }, (_, index) => link.cache.setMany([{ key: `${index}`, value, ttlMs: 60_000 }])),
    );
    await until(async () => {
      const refusal = await Promise.race([link.cache.getMany(['k']).catch((error: Error) => error.message), delay(20)]);
      return refusal === 'Redis does not take what is sent fast enough.';
    });
    server.resume();
    await large;
    await until(() => answers(link), backWithinMs);
    await link.close();
  });

  it('may be closed while it is gone, with calls under way', async () => {
    await using server = await startRedisServer();
    const link = await connected(linkTo(server.url, { timeoutMs: 300 }));
    link.bus.onInvalidation(() => {});
    server.pause();
    const begun = codesOf(calls(link, 1));
    await link.close();
    assert.deepEqual(await begun, Array(7).fill('DEADLINE_EXCEEDED'));
    await assert.rejects(link.cache.getMany(['late']), { code: 'SHUTTING_DOWN' });
  });
});
