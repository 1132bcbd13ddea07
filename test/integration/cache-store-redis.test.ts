/** The cache store on a real Redis: what every store must do, and what becomes of bytes that others wrote. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import type { RedisLink } from '../../src/adapters/redis/open-redis.ts';
import type { CacheStore } from '../../src/ports/cache-store.ts';
import { cacheLeaseContract } from './support/cache-lease-contract.ts';
import { type CacheStoreSetup, cacheStoreContract, textEntry } from './support/cache-store-contract.ts';
import { connected, linkTo } from './support/redis-link.ts';
import { type RedisServer, startRedisServer, withoutRedis } from './support/redis-server.ts';

const skip = withoutRedis();
let server: RedisServer;
before(async () => {
  if (skip === false) server = await startRedisServer();
});
after(() => server?.stop());

const setup: CacheStoreSetup = {
  name: 'on Redis',
  tier: 'redis',
  skip,
  async open(): Promise<CacheStore> {
    const link = await connected(linkTo(server.url));
    const { cache } = link;
    return {
      tier: cache.tier,
      leases: cache.leases!,
      getMany: (keys) => cache.getMany(keys),
      setMany: (entries) => cache.setMany(entries),
      deletePrefix: (prefix) => cache.deletePrefix(prefix),
      // Closes the connections as well, so that nothing is left of it.
      close: () => link.close(),
    };
  },
};

cacheStoreContract(setup);
cacheLeaseContract(setup);

describe('the cache store on Redis', { skip }, () => {
  let link: RedisLink;
  let plain: Redis;
  before(async () => {
    link = await connected(linkTo(server.url, { maxValueBytes: 100_000 }));
    plain = new Redis(server.url);
  });
  after(async () => {
    plain?.disconnect();
    await link?.close();
  });

  it('takes bytes that it did not write for absent', async () => {
    await link.cache.setMany([textEntry('real', 'x'.repeat(5000)), textEntry('other', 'y')]);
    const real = (await plain.getBuffer('hotpath:c:real'))!;
    assert.ok(real.length < 1000, `5000 equal characters lie in ${real.length} bytes`);
    const changed = (offset: number, byte: number) => {
      const copy = Buffer.from(real);
      copy[offset] = byte;
      return copy;
    };
    const endless = Buffer.from(real);
    endless.writeDoubleBE(Number.POSITIVE_INFINITY, 8);
    const huge = Buffer.from(real);
    huge.writeUInt32BE(0xffff_ffff, 4);
    const garbage = {
      empty: Buffer.alloc(0),
      short: Buffer.from('HP'),
      text: Buffer.from('{"answer": 42, "padding": "something longer than a header"}'),
      random: Buffer.from(Array.from({ length: 500 }, () => Math.floor(Math.random() * 256))),
      'cut off': real.subarray(0, real.length - 5),
      header: real.subarray(0, 16),
      'other magic': changed(0, 0),
      'other version': changed(2, 9),
      'other coding': changed(3, 7),
      'raw that is not': changed(3, 0),
      'deflate that is not': changed(3, 2),
      'wrong length': changed(7, 1),
      'broken inside': changed(real.length - 6, real[real.length - 6]! ^ 0xff),
      endless,
      huge,
    };
    for (const [name, bytes] of Object.entries(garbage)) await plain.set(`hotpath:c:garbage ${name}`, bytes);
    await plain.hset('hotpath:c:garbage of another type', { a: '1' });
    const names = [...Object.keys(garbage), 'of another type'];
    const found = await link.cache.getMany([...names.map((name) => `garbage ${name}`), 'real']);
    const readable = names.filter((_, index) => found[index] !== undefined);
    assert.deepEqual(readable, []);
    assert.equal(new TextDecoder().decode(found.at(-1)!.value), 'x'.repeat(5000));
  });

  it('does not store values above its limit, and stores the others of the same call', async () => {
    await link.cache.setMany([
      { key: 'too large', value: new Uint8Array(100_001), ttlMs: 60_000 },
      { key: 'just fits', value: new Uint8Array(100_000), ttlMs: 60_000 },
    ]);
    const [tooLarge, fits] = await link.cache.getMany(['too large', 'just fits']);
    assert.equal(tooLarge, undefined);
    assert.equal(fits?.value.byteLength, 100_000);
  });

  it('leaves alone what is not of the cache when it drops everything', async () => {
    await plain.set('hotpath:other', 'stays');
    await plain.set('someone:else', 'stays');
    await link.cache.setMany([textEntry('goes', 'away')]);
    await link.cache.deletePrefix('');
    assert.deepEqual(await plain.mget('hotpath:other', 'someone:else', 'hotpath:c:goes'), ['stays', 'stays', null]);
  });

  it('gives values that own their memory', async () => {
    await link.cache.setMany([textEntry('small', 'z'.repeat(100)), textEntry('packed', 'z'.repeat(3000))]);
    for (const found of await link.cache.getMany(['small', 'packed'])) {
      assert.ok(found!.value.buffer.byteLength <= 2 * found!.value.byteLength);
    }
  });
});
