/** Invalidations between links to a real Redis, as between servers. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import type { RedisLink } from '../../src/adapters/redis/open-redis.ts';
import { freePort } from '../../src/cli/free-port.ts';
import type { Invalidation } from '../../src/ports/cache-store.ts';
import { connected, linkTo } from './support/redis-link.ts';
import { type RedisServer, startRedisServer, withoutRedis } from './support/redis-server.ts';
import { until } from './support/until.ts';

const skip = withoutRedis();

function listen(link: RedisLink): Invalidation[] {
  const heard: Invalidation[] = [];
  link.bus.onInvalidation((invalidation) => heard.push(invalidation));
  return heard;
}

describe('invalidations over Redis', { skip }, () => {
  let server: RedisServer;
  before(async () => {
    server = await startRedisServer();
  });
  after(() => server?.stop());

  it('reach every other link, in order, and never the one that published', async () => {
    const links = [linkTo(server.url), linkTo(server.url), linkTo(server.url)] as const;
    const [own, first, second] = links.map(listen) as [Invalidation[], Invalidation[], Invalidation[]];
    const again = listen(links[1]);
    await Promise.all(links.map(connected));
    const sent: Invalidation[] = [{ model: 'iris' }, { model: 'iris', version: '2' }, { model: 'demo-*' }];
    for (const invalidation of sent) await links[0].bus.publish(invalidation);
    const asHeard = sent.map(({ model, version }) => ({ model, version }));
    await until(() => [first, second, again].every(({ length }) => length === 3));
    assert.deepEqual([first, second, again], [asHeard, asHeard, asHeard]);

    // Messages of one channel come in order: what this one says is heard after all of its own were.
    await links[1].bus.publish({ model: 'last' });
    await until(() => own.length > 0);
    assert.deepEqual(own, [{ model: 'last', version: undefined }]);
    await Promise.all(links.map((link) => link.close()));
  });

  it('pass over what is no invalidation, and a handler that throws', async () => {
    const link = linkTo(server.url);
    link.bus.onInvalidation(() => {
      throw new Error('a handler that fails');
    });
    const heard = listen(link);
    await connected(link);
    const plain = new Redis(server.url);
    const nonsense = ['', 'text', 'null', '[]', '7', '{"sender":"x"}', '{"sender":"x","model":""}', '{"model":"m"}'];
    for (const text of [...nonsense, '{"sender":"x","model":7}', '{"sender":"x","model":"m","version":2}']) {
      await plain.publish('hotpath:invalidate', text);
    }
    await plain.publish('hotpath:invalidate', '{"sender":"x","model":"sense"}');
    await until(() => heard.length > 0);
    assert.deepEqual(heard, [{ model: 'sense', version: undefined }]);
    plain.disconnect();
    await link.close();
  });

  it('need no connection of their own before somebody listens', async () => {
    const link = await connected(linkTo(server.url, { connections: 1 }));
    assert.equal(link.pool.status().maxSize, 1);
    await link.bus.publish({ model: 'm' });
    listen(link);
    await connected(link);
    assert.equal(link.pool.status().size, 2);
    await link.close();
  });

  it('that may have been missed count as everything', async () => {
    await using own = await startRedisServer();
    const [publisher, listener] = [linkTo(own.url), linkTo(own.url)];
    const heard = listen(listener);
    await Promise.all([publisher, listener].map(connected));
    assert.deepEqual(heard, []);
    await own.restart();
    await until(() => heard.length > 0);
    assert.deepEqual(heard, [{ model: '*' }]);
    await connected(publisher);
    await publisher.bus.publish({ model: 'iris' });
    await until(() => heard.length > 1);
    assert.deepEqual(heard[1], { model: 'iris', version: undefined });
    await Promise.all([publisher.close(), listener.close()]);
  });

  it('count as everything too when Redis comes later than the listener', async () => {
    const port = await freePort();
    const link = linkTo(`redis://127.0.0.1:${port}`);
    const heard = listen(link);
    await until(() => link.pool.status().lastError !== undefined);
    await using _late = await startRedisServer({ port });
    await until(() => heard.length > 0);
    assert.deepEqual(heard, [{ model: '*' }]);
    await link.close();
  });
});
