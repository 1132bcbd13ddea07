/** The cache of whole servers: what clients of any protocol share, what runs how often, two servers on one Redis, and Redis dying. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createClient } from '../../src/client/client.ts';
import { createGrpcClient } from '../../src/client/node-grpc.ts';
import type { CacheConfig } from '../../src/ports/cache-config.ts';
import { storeModel } from '../../src/training/store-model.ts';
import { trainIris } from '../../src/training/train-iris.ts';
import { type RedisServer, startRedisServer, withoutRedis } from '../integration/support/redis-server.ts';
import { until } from '../integration/support/until.ts';
import { modelFolder, post, serve, type TestServer } from './support/serve.ts';

const { model, classNames } = trainIris();
const flower = (index: number): number[] => [4 + (index % 40) / 10, 3.5, 1 + (index % 50) / 10, 0.2];

async function irisServer(cache: CacheConfig, settings: Parameters<typeof serve>[1] = {}): Promise<TestServer> {
  const models = await modelFolder();
  await storeModel(models, 'iris', '1', model, { classNames, deterministic: true, cache });
  const databaseUrl = `sqlite:${models}/cache.db`;
  return serve(models, { preload: 'true', databaseUrl, ...settings });
}

async function ask({ url }: TestServer, features: readonly number[], headers: Record<string, string> = {}) {
  const answer = await post(`${url}/api/v1/predict`, { features }, headers);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return { prediction: answer.body.prediction as number, cache: answer.headers.get('x-cache') };
}

async function metric({ url }: TestServer, name: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const lines = page.split('\n').filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

const rowsRun = (server: TestServer) => metric(server, 'hotpath_batch_size_sum{model="iris"');

describe('a server whose model is cached', () => {
  it('shares an answer between JSON, raw bytes, the Open Inference Protocol and gRPC', async () => {
    const server = await irisServer({});
    try {
      const features = flower(1);
      const { prediction, cache } = await ask(server, features);
      assert.equal(cache, 'miss');
      const raw = await fetch(`${server.url}/api/v1/models/iris/predict`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: new Uint8Array(Float32Array.from(features).buffer),
      });
      assert.equal(raw.headers.get('x-cache'), 'memory');
      assert.equal(((await raw.json()) as { prediction: number }).prediction, prediction);
      const tensor = { name: 'features', shape: [1, 4], datatype: 'FP32', data: features };
      const oip = await post(`${server.url}/v2/models/iris/infer`, { inputs: [tensor] });
      assert.equal(oip.headers.get('x-cache'), 'memory');
      const before = await rowsRun(server);
      const tensors = { features: { shape: [1, 4], datatype: 'float32', data: Float32Array.from(features) } } as const;
      const grpc = createGrpcClient(server.grpcUrl);
      const overGrpc = await grpc.infer('iris', tensors);
      grpc.close();
      for (const { outputs } of [await createClient({ url: server.url }).infer('iris', tensors), overGrpc]) {
        assert.equal(Number(outputs.label!.data[0]), prediction);
      }
      assert.equal(await rowsRun(server), before, 'nothing ran again');
    } finally {
      await server.stop();
    }
  });

  it('runs a row once, however many ask for it at once, and of a batch only the rows it does not know', async () => {
    const server = await irisServer({});
    try {
      await ask(server, flower(0));
      const before = await rowsRun(server);
      const answers = await Promise.all(Array.from({ length: 200 }, () => ask(server, flower(7))));
      assert.equal(new Set(answers.map(({ prediction }) => prediction)).size, 1);
      assert.equal(await rowsRun(server), before + 1);
      const alone = await Promise.all([3, 0, 7].map((index) => ask(server, flower(index))));
      const instances = [flower(3), flower(11), flower(0), flower(11), flower(7)];
      const batch = await post(`${server.url}/api/v1/predict/batch`, { instances });
      assert.equal(batch.headers.get('x-cache'), 'miss');
      assert.equal(await rowsRun(server), before + 3, 'rows 3 and 11');
      const [row3, row0, row7] = alone.map(({ prediction }) => prediction);
      const eleven = (await ask(server, flower(11))).prediction;
      assert.deepEqual(batch.body.predictions, [row3, eleven, row0, eleven, row7]);
    } finally {
      await server.stop();
    }
  });

  it('computes anew where the request says so, and leaves no trace of what must not be stored', async () => {
    const server = await irisServer({});
    try {
      const told = async (cacheControl: string) =>
        (await ask(server, flower(2), { 'cache-control': cacheControl })).cache;
      assert.equal(await told('no-store'), 'bypass');
      assert.equal((await ask(server, flower(2))).cache, 'miss');
      assert.equal(await told('no-cache'), 'miss');
      assert.equal(await told('max-age=60'), 'memory');
    } finally {
      await server.stop();
    }
  });
});

describe('servers on one Redis', { skip: withoutRedis() }, () => {
  const settings = (redis: RedisServer) => ({ redisUrl: redis.url, cacheTimeoutMs: '500' });

  it('answer from what the other has computed, and forget what the other is told to forget', async () => {
    await using redis = await startRedisServer();
    const cache = { tiers: ['memory', 'redis'], write: 'through' } as const;
    const [one, two] = await Promise.all([irisServer(cache, settings(redis)), irisServer(cache, settings(redis))]);
    try {
      const { prediction } = await ask(one, flower(5));
      assert.deepEqual(await ask(two, flower(5)), { prediction, cache: 'redis' });
      assert.deepEqual(await ask(two, flower(5)), { prediction, cache: 'memory' });
      const told = await post(`${one.adminUrl}/admin/cache/invalidate`, { model: 'iris' });
      assert.equal(told.status, 200);
      // The announcement takes its way through Redis.
      await until(async () => (await ask(two, flower(5))).cache !== 'memory');
    } finally {
      await Promise.all([one.stop(), two.stop()]);
    }
  });

  it('answer every request rightly while Redis is killed, and use it again when it is back', async () => {
    await using redis = await startRedisServer();
    const server = await irisServer({ tiers: ['redis'] }, settings(redis));
    const right = new Map<number, number>();
    try {
      for (let index = 0; index < 20; index++) right.set(index, (await ask(server, flower(index))).prediction);
      const seen: (string | null)[] = [];
      let going = true;
      const client = async (first: number): Promise<void> => {
        for (let step = first; going; step++) {
          const { prediction, cache } = await ask(server, flower(step % 20));
          assert.equal(prediction, right.get(step % 20));
          seen.push(cache);
        }
      };
      const clients = Promise.all(Array.from({ length: 8 }, (_, index) => client(index)));
      const untilSeen = (outcome: string): Promise<void> => {
        const from = seen.length;
        return until(() => seen.includes(outcome, from));
      };
      await untilSeen('redis');
      await redis.kill();
      await untilSeen('miss');
      await redis.restart();
      await untilSeen('redis');
      going = false;
      await clients;
    } finally {
      await server.stop();
    }
  });
});

describe('a server whose answers are in the database', () => {
  it('finds them after a restart, unless they were dropped before anybody asked', async () => {
    const models = await modelFolder();
    const cache = { tiers: ['database'], write: 'through' } as const;
    await storeModel(models, 'iris', '1', model, { classNames, deterministic: true, cache });
    // Opening a database takes longer than a request would wait for a tier.
    const settings = { preload: 'true', databaseUrl: `sqlite:${models}/cache.db`, cacheTimeoutMs: '10000' };
    const outcomes: (string | null)[] = [];
    for (const drop of [false, false, true]) {
      const server = await serve(models, settings);
      if (drop) {
        const told = await post(`${server.adminUrl}/admin/cache/invalidate`, { model: 'iris' });
        assert.deepEqual(told.body.dropped, { memory: 0, database: 1 });
      }
      outcomes.push((await ask(server, flower(3))).cache);
      await server.drain();
      if (drop) await server.stop();
      else await server.close();
    }
    assert.deepEqual(outcomes, ['miss', 'database', 'miss']);
  });
});
