/** Limits of a caller over two servers and a real Redis, also while it is gone. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { AccountTable } from '../../src/core/access/account-table.ts';
import type { Caller, Grant } from '../../src/ports/access.ts';
import { connected, linkTo } from './support/redis-link.ts';
import { startRedisServer, withoutRedis } from './support/redis-server.ts';

const caller = (id: string, limits: Caller['limits']): Caller => ({ id, role: 'predict', models: undefined, limits });

describe('the limits of a caller over Redis', { skip: withoutRedis() }, () => {
  it('let two servers together through what one may, and fail no request when Redis dies', async (test) => {
    const redis = await startRedisServer();
    test.after(() => redis.stop());
    const links = await Promise.all([connected(linkTo(redis.url)), connected(linkTo(redis.url))]);
    test.after(() => Promise.all(links.map((link) => link.close())));
    const tables = links.map(
      ({ limits }) => new AccountTable({}, { clock: systemClock, unixMs: Date.now, shared: limits }),
    );
    // So slow that nothing comes back while the test runs.
    const bursty = caller('key:a', { requestsPerSecond: 0.01, burst: 100 });
    let passed = 0;
    for (let turn = 0; turn < 300; turn++) {
      const entered = await tables[turn & 1]!.enter(bursty);
      if (!(entered instanceof Error)) passed++;
    }
    assert.ok(passed <= 100 && passed >= 100 - 2 * 12, `${passed} passed`);

    const daily = caller('key:b', { requestsPerDay: 50 });
    for (let turn = 0; turn < 50; turn++) await tables[0]!.enter(daily);
    await tables[0]!.flush();
    // The other server learns of it with its first request.
    await tables[1]!.enter(daily);
    await tables[1]!.flush();
    assert.ok((await tables[1]!.enter(daily)) instanceof Error);

    await redis.kill();
    const other = caller('key:c', { requestsPerSecond: 0.01, burst: 10 });
    const codes = await Promise.all(Array.from({ length: 15 }, () => tables[0]!.enter(other)));
    assert.equal(codes.filter((each) => !(each instanceof Error)).length, 10);
    for (const each of codes) if (!(each instanceof Error)) (each as Grant).release();
  });
});
