/** Sources of features as the server makes them of a model's configuration, against real HTTP servers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { MemoryCache } from '../../src/adapters/memory/memory-cache.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import type { FeatureCache } from '../../src/core/features/feature-cache.ts';
import type { TensorSpec } from '../../src/core/tensor.ts';
import type { FeaturesConfig } from '../../src/ports/feature-source.ts';
import { FeatureSources, type FeatureSourcesDeps } from '../../src/server-features.ts';
import { until } from './support/until.ts';

const inputs: readonly TensorSpec[] = [{ name: 'age', datatype: 'float32', shape: [-1, 1] }];
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Service {
  readonly server: Server;
  readonly port: number;
  readonly paths: string[];
  open: number;
}

/** Knows every user but `nobody`; the age is what the name ends with. */
async function serve(port = 0): Promise<Service> {
  const server = createServer((request, response) => {
    service.paths.push(request.url!);
    const name = decodeURIComponent(request.url!.split('/').at(-1)!);
    const answer = name === 'nobody' ? [404, {}] : [200, { age: Number(name.split(':')[1]) }];
    response.writeHead(answer[0] as number, { 'content-type': 'application/json' }).end(JSON.stringify(answer[1]));
  });
  server.on('connection', (socket) => {
    service.open++;
    socket.on('close', () => service.open--);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const service: Service = { server, port: (server.address() as AddressInfo).port, paths: [], open: 0 };
  closing.push(() => stop(service));
  return service;
}

async function stop({ server }: Service): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

function sources(deps: Partial<FeatureSourcesDeps> = {}): FeatureSources {
  const unexpected = async (): Promise<never> => {
    throw new Error('not expected');
  };
  const made = new FeatureSources({
    featureHosts: '127.0.0.1:*',
    cacheTimeoutMs: 25,
    clock: systemClock,
    random: Math.random,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    memory: new MemoryCache(1024 * 1024),
    store: () => undefined,
    ownRedis: async () => undefined,
    ownDatabase: async () => undefined,
    openRedis: unexpected,
    openDatabase: unexpected,
    ...deps,
  });
  closing.push(() => made.close());
  return made;
}

const config = (port: number, more: Partial<FeaturesConfig> = {}): FeaturesConfig => ({
  source: `http://127.0.0.1:${port}`,
  key: '/users/{entity}',
  timeoutMs: 5000,
  ...more,
});

async function agesOf(cache: FeatureCache, ...entities: string[]): Promise<unknown[]> {
  return (await cache.getMany(entities, undefined, undefined)).map((row) => row?.age);
}

describe('sources of features', () => {
  it('are asked at most 10 times for 10 entities of 1,000 requests at once', async () => {
    const service = await serve();
    const { cache } = await sources().open('m', config(service.port), inputs);
    const asked = Array.from({ length: 1000 }, (_, index) => agesOf(cache, `user:${index % 10}`));
    for (const [index, ages] of (await Promise.all(asked)).entries()) assert.deepEqual(ages, [index % 10]);
    assert.equal(service.paths.length, 10);
    assert.equal(new Set(service.paths).size, 10);
  });

  it('are not asked again for entities that are unknown', async () => {
    const service = await serve();
    const { cache } = await sources().open('m', config(service.port), inputs);
    for (let count = 0; count < 5; count++) assert.deepEqual(await agesOf(cache, 'nobody'), [undefined]);
    assert.deepEqual(service.paths, ['/users/nobody']);
  });

  it('may be killed and come back: what is known is given meanwhile, the rest is 503', async () => {
    const service = await serve();
    let laterMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + laterMs };
    const { cache } = await sources({ clock }).open('m', config(service.port), inputs);
    assert.deepEqual(await agesOf(cache, 'user:1'), [1]);
    await stop(service);
    laterMs += 60_000;
    assert.deepEqual(await agesOf(cache, 'user:1'), [1]);
    assert.ok(cache.counts.stale > 0);
    for (let count = 0; count < 8; count++) {
      await assert.rejects(agesOf(cache, `user:${count + 2}`), { code: 'MODEL_NOT_READY' });
    }
    assert.equal(cache.status().breaker, 'open');
    const back = await serve(service.port);
    laterMs += 1000;
    assert.deepEqual(await agesOf(cache, 'user:2'), [2]);
    assert.equal(cache.status().breaker, 'closed');
    assert.deepEqual(back.paths, ['/users/user%3A2']);
  });

  it('share the connections of one origin, which end with the last model', async () => {
    const service = await serve();
    const made = sources();
    const one = await made.open('one', config(service.port), inputs);
    const two = await made.open('two', config(service.port, { key: '/v2/{entity}' }), inputs);
    assert.deepEqual(await agesOf(one.cache, 'user:1'), [1]);
    assert.deepEqual(await agesOf(two.cache, 'user:1'), [1]);
    assert.deepEqual(service.paths, ['/users/user%3A1', '/v2/user%3A1']);
    assert.deepEqual([made.pools().length, made.pools()[0]!.size, service.open], [1, 1, 1]);
    await one.close();
    await one.close();
    assert.equal(made.pools().length, 1);
    assert.deepEqual(await agesOf(two.cache, 'user:2'), [2]);
    await two.close();
    assert.equal(made.pools().length, 0);
    await until(() => service.open === 0);
    const again = await made.open('one', config(service.port), inputs);
    assert.deepEqual(await agesOf(again.cache, 'user:3'), [3]);
  });

  it('are the server’s own, or opened by URL and closed', async () => {
    let closed = 0;
    const link = {
      readFeatures: async (keys: readonly string[]) => keys.map((key) => ({ age: String(key.length) })),
      pool: { status: () => ({ kind: 'redis' }) as never },
      close: async () => void closed++,
    };
    const opened: string[] = [];
    const made = sources({
      ownRedis: async () => link,
      openRedis: async (url) => {
        opened.push(url);
        return link;
      },
      ownDatabase: async () => ({
        placeholder: () => '?',
        read: async (_sql, values) => [{ age: String(values[0]).length }],
      }),
    });
    const key = 'u:{entity}';
    const own = await made.open('m', { source: 'redis', key }, inputs);
    assert.deepEqual(await agesOf(own.cache, 'abc'), [5]);
    await own.close();
    assert.equal(closed, 0);
    const other = await made.open('n', { source: 'redis://127.0.0.1:1', key }, inputs);
    assert.deepEqual(await agesOf(other.cache, 'abcd'), [6]);
    await other.close();
    assert.deepEqual([opened, closed], [['redis://127.0.0.1:1'], 1]);
    const sql = await made.open('o', { source: 'sql', key: 'SELECT {entity}' }, inputs);
    assert.deepEqual(await agesOf(sql.cache, 'abc'), [3]);
  });

  const wrong: readonly (readonly [FeaturesConfig, RegExp])[] = [
    [
      { source: 'http://127.0.0.2:80', key: '/{entity}' },
      /The host 127\.0\.0\.2 is not among featureHosts \(127\.0\.0\.1:\*\)\./,
    ],
    [{ source: 'http://127.0.0.1:1', key: '{entity}' }, /features\.key: expected a path that begins with \//],
    [{ source: 'redis', key: '{entity}' }, /features\.source: "redis" needs redisUrl/],
    [{ source: 'sql', key: '{entity}' }, /features\.source: "sql" needs databaseUrl/],
    [{ source: 'http://127.0.0.1:1', key: '/{entity}', tiers: ['redis'] }, /features\.tiers: "redis" needs redisUrl/],
    [
      { source: 'http://127.0.0.1:1', key: '/{entity}', tiers: ['database'] },
      /features\.tiers: "database" needs databaseUrl/,
    ],
  ];
  for (const [features, message] of wrong) {
    it(`say what is wrong: ${message.source}`, async () => {
      const made = sources();
      await assert.rejects(made.open('m', features, inputs), (error: Error & { code: string }) => {
        assert.equal(error.code, 'MODEL_FAILED');
        assert.match(error.message, /^The source of features cannot be used\. /);
        assert.match(error.message, message);
        return true;
      });
      assert.equal(made.pools().length, 0);
    });
  }

  it('are refused once the server stops', async () => {
    const made = sources();
    await made.close();
    await assert.rejects(made.open('m', config(1), inputs), { code: 'SHUTTING_DOWN' });
  });
});
