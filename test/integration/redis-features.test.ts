/** Feature rows as others write them into a real Redis. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import type { RedisLink } from '../../src/adapters/redis/open-redis.ts';
import { connected, linkTo } from './support/redis-link.ts';
import { type RedisServer, startRedisServer, withoutRedis } from './support/redis-server.ts';

const skip = withoutRedis();

describe('features in Redis', { skip }, () => {
  let server: RedisServer;
  let link: RedisLink;
  let plain: Redis;
  before(async () => {
    server = await startRedisServer();
    link = await connected(linkTo(server.url));
    plain = new Redis(server.url);
  });
  after(async () => {
    plain?.disconnect();
    await link?.close();
    await server?.stop();
  });
  /** As plain objects, which those without a prototype do not equal. */
  const read = async (...keys: string[]) =>
    (await link.readFeatures(keys)).map((row) => (typeof row === 'object' ? { ...row } : row));

  it('are hashes by field, texts as they are, and nothing for what is absent or of another type', async () => {
    await plain.hset('user:1', { age: '42', name: 'Zoë', '': 'no name', empty: '' });
    await plain.set('user:2', '{"age": 7, "name": "日本"}');
    await plain.rpush('user:3', 'a', 'list');
    await plain.set('user:4', '');
    assert.deepEqual(await read('user:3', 'user:2', 'user:never', 'user:1', 'user:2', 'user:4'), [
      undefined,
      '{"age": 7, "name": "日本"}',
      undefined,
      { age: '42', name: 'Zoë', '': 'no name', empty: '' },
      '{"age": 7, "name": "日本"}',
      '',
    ]);
    assert.deepEqual(await read(), []);
  });

  it('may have fields of any name', async () => {
    await plain.hset('odd', '__proto__', '1', 'constructor', '2', 'toString', '3');
    const [row] = await link.readFeatures(['odd']);
    assert.deepEqual(Object.entries(row as object), [
      ['__proto__', '1'],
      ['constructor', '2'],
      ['toString', '3'],
    ]);
  });

  it('go to whom they belong when many ask at once', async () => {
    const all = Array.from({ length: 300 }, (_, index) => index);
    await Promise.all(all.map((index) => plain.hset(`many:${index}`, 'is', `${index}`)));
    const rows = await Promise.all(all.map((index) => read(`many:${index}`, 'many:none', `many:${299 - index}`)));
    assert.deepEqual(
      rows,
      all.map((index) => [{ is: `${index}` }, undefined, { is: `${299 - index}` }]),
    );
  });
});
