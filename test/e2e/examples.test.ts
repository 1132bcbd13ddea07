/** The examples run as their READMEs say, and give the answers they are there to show. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config/load.ts';
import { startServer } from '../../src/server.ts';
import { startPostgresServer, withoutPostgres } from '../integration/support/postgres-server.ts';
import { startRedisServer, withoutRedis } from '../integration/support/redis-server.ts';
import { modelFolder, post, serve, storeIris } from './support/serve.ts';

const run = promisify(execFile);
const examples = join(import.meta.dirname, '../../examples');
const withoutCurl = spawnSync('curl', ['--version']).status === 0 ? false : 'curl is not installed';

async function withIris(use: (url: string) => Promise<void>): Promise<void> {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models);
  try {
    await use(server.url);
  } finally {
    await server.stop();
  }
}

test('client-fetch gets the same flowers as JSON and as raw bytes', async () => {
  await withIris(async (url) => {
    const { stdout } = await run(process.execPath, [join(examples, 'client-fetch/main.ts'), url]);
    const [one, many, binary, ...rows] = stdout.trim().split('\n');
    assert.match(one!, /^one: setosa \[1,0,0\]$/);
    assert.match(many!, /^many: setosa, (versicolor|virginica), virginica$/);
    assert.equal(binary, 'binary: float32 [3,3]');
    const probabilities = rows.map((row) => row.split(' ').map(Number));
    assert.deepEqual(probabilities[0], [1, 0, 0]);
    assert.equal(probabilities.length, 3);
    assert.ok(probabilities[2]![2]! > 0.9);
  });
});

test('client-fetch shows the server’s error when the model is not there', async () => {
  const models = await modelFolder();
  const server = await serve(models);
  try {
    const script = join(examples, 'client-fetch/main.ts');
    await assert.rejects(run(process.execPath, [script, server.url]), /MODEL_NOT_FOUND/);
  } finally {
    await server.stop();
  }
});

test('client-typed gets flowers, tensors and a mistake with its name', async () => {
  await withIris(async (url) => {
    const { stdout } = await run(process.execPath, [join(examples, 'client-typed/main.ts'), url]);
    const [one, many, tensors, mistake] = stdout.trim().split('\n');
    assert.equal(one, 'one: setosa [1,0,0]');
    assert.match(many!, /^many: setosa, (versicolor|virginica), virginica$/);
    assert.match(tensors!, /^tensors: 0 [12] 2 of 3x3$/);
    assert.equal(mistake, 'mistake: INVALID_INPUT 400: features: expected 4 numbers, got 2');
  });
});

test('own-model trains on its table, and the server tells a hot machine from a healthy one', async () => {
  const models = await modelFolder();
  const table = join(examples, 'own-model/machine-state.csv');
  const args = [join(examples, 'own-model/train.ts'), table, 'state', models, 'machines'];
  const { stdout } = await run(process.execPath, args);
  assert.match(stdout, /features: temperature, vibration, load\nclasses: healthy, overheating, worn-bearing\n/);
  assert.ok(Number(/rows: (\d+) % of 30/.exec(stdout)![1]) >= 90, stdout);
  const server = await serve(models);
  try {
    const instances = [
      [55, 1.2, 50],
      [91, 1.5, 80],
      [63, 5.5, 55],
    ];
    const { body } = await post(`${server.url}/api/v1/predict/batch`, { instances });
    assert.deepEqual(body.labels, ['healthy', 'overheating', 'worn-bearing']);
  } finally {
    await server.stop();
  }
});

test('the curl script answers each of its questions', { skip: withoutCurl }, async () => {
  await withIris(async (url) => {
    const { stdout } = await run(join(examples, 'curl/try.sh'), [url]);
    const answers = stdout
      .split(/^# .*\n/m)
      .slice(1)
      .map((text) => JSON.parse(text));
    const [one, many, named, model, mistake] = answers;
    assert.equal(one.label, 'setosa');
    assert.deepEqual(many.labels, ['setosa', 'virginica']);
    assert.deepEqual(Object.keys(named.outputs), ['probabilities']);
    assert.deepEqual(named.outputs.probabilities.shape, [1, 3]);
    assert.deepEqual(model.loaded.signature.inputs, [{ name: 'features', datatype: 'float32', shape: [-1, 4] }]);
    assert.equal(mistake.error.code, 'INVALID_INPUT');
  });
});

/** As `npm start -- --config <file>`, with everything it writes in a folder of the test's own. Returns what the script printed. */
async function tryExample(file: string, folder: string, urls: Record<string, string>): Promise<readonly string[]> {
  const ports = { port: '0', 'admin-port': '0', 'grpc-port': '0' };
  const paths = {
    models: join(folder, 'models'),
    'cache-dir': join(folder, 'cache'),
    'auth-key-file': join(folder, 'token-keys.json'),
  };
  const loaded = loadConfig({ file: join(examples, file), env: {}, flags: { ...ports, ...paths, ...urls } });
  const server = await startServer(loaded, { logDestination: { write: () => {} } });
  try {
    const { stdout } = await run(process.execPath, [join(examples, 'embedded/try.ts'), server.url, server.adminUrl!]);
    return stdout.trim().split('\n');
  } finally {
    await server.drain();
    await server.close();
  }
}

/** What try.ts prints; only where the first answer comes from depends on what happened before. */
const expectedLines = (first: string, dropped: string) => [
  'token: good for 900 s',
  `first: overheating, x-cache: ${first}`,
  'again: overheating, x-cache: memory',
  'entity: overheating, x-cache: memory',
  `another entity: overheating, x-cache: ${first}`,
  'logged: machine-state OK for user:ada, from memory',
  `invalidated: ${dropped}`,
  'afterwards: overheating, x-cache: miss',
  'warmed: 20 computed, 0 cached already, 0 failed',
  'a warmed one: healthy, x-cache: memory',
];

test('embedded shows cache, features, log and sign-in in one process, and its answers outlive a restart', async () => {
  const folder = await modelFolder();
  try {
    const machines = `sqlite:${join(folder, 'machines.db')}`;
    await run(process.execPath, [join(examples, 'embedded/prepare.ts'), join(folder, 'models'), machines]);
    const urls = { 'database-url': `sqlite:${join(folder, 'hotpath.db')}` };
    const lines = await tryExample('embedded/hotpath.json', folder, urls);
    assert.deepEqual(lines, expectedLines('miss', 'memory, database'));
    const [, first] = await tryExample('embedded/hotpath.json', folder, urls);
    assert.equal(first, 'first: overheating, x-cache: database');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('with-services is the embedded configuration with URLs', () => {
  const read = (name: string) => JSON.parse(readFileSync(join(examples, name, 'hotpath.json'), 'utf8'));
  const { redisUrl, databaseUrl, ...rest } = read('with-services');
  assert.deepEqual(rest, read('embedded'));
  assert.deepEqual([new URL(redisUrl).protocol, new URL(databaseUrl).protocol], ['redis:', 'postgres:']);
});

const withoutServices = withoutRedis() || withoutPostgres();

test('with-services runs the same on Redis and PostgreSQL', { skip: withoutServices }, async () => {
  await using redis = await startRedisServer();
  await using postgres = await startPostgresServer();
  const folder = await modelFolder();
  try {
    await run(process.execPath, [join(examples, 'embedded/prepare.ts'), join(folder, 'models'), postgres.url]);
    const urls = { 'redis-url': redis.url, 'database-url': postgres.url };
    const lines = await tryExample('with-services/hotpath.json', folder, urls);
    assert.deepEqual(lines, expectedLines('miss', 'memory, redis, database'));
    const [, first] = await tryExample('with-services/hotpath.json', folder, urls);
    assert.equal(first, 'first: overheating, x-cache: redis');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
