/** Loads that bring a configuration or files, over REST and gRPC on the real server: they take effect at once, or change nothing. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { trainIris } from '../../src/training/train-iris.ts';
import { ask, askJson, jsonOf, type Reply } from '../integration/support/rest-client.ts';
import { modelFolder, serve, storeIris, type TestServer } from './support/serve.ts';

const rows = [
  [5.1, 3.5, 1.4, 0.2],
  [6.7, 3.0, 5.2, 2.3],
];

async function explicitServer(context: TestContext): Promise<TestServer> {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models, { modelControl: 'explicit' });
  context.after(() => server.stop());
  return server;
}

function load(
  server: TestServer,
  model: string,
  config?: object,
  files: Record<string, Uint8Array> = {},
): Promise<Reply> {
  const parts = Object.entries(files).map(([path, bytes]) => [`file:${path}`, Buffer.from(bytes).toString('base64')]);
  const parameters = {
    ...(config === undefined ? {} : { config: JSON.stringify(config) }),
    ...Object.fromEntries(parts),
  };
  return ask(`${server.url}/v2/repository/models/${model}/load`, { body: JSON.stringify({ parameters }) });
}

async function configOf(server: TestServer, model: string) {
  return jsonOf(await ask(`${server.url}/v2/models/${model}/config`));
}

/** The classes of the two rows, and the status. */
async function classify(server: TestServer, model = 'iris') {
  const input = { name: 'features', shape: [2, 4], datatype: 'FP32', data: rows.flat() };
  const { status, body } = await askJson(`${server.url}/v2/models/${model}/infer`, { inputs: [input] });
  return [status, body.outputs?.[0].data ?? body.error];
}

const right = [200, [0, 2]];

test('the configuration of a load call takes effect, as it was read from /config, until a plain load', async (context) => {
  const server = await explicitServer(context);
  const before = await configOf(server, 'iris');
  assert.notEqual(before.max_batch_size, 24);
  const loaded = await load(server, 'iris', { ...before, max_batch_size: 24 });
  assert.deepEqual([loaded.status, loaded.bytes.toString()], [200, '']);
  assert.equal((await configOf(server, 'iris')).max_batch_size, 24);
  assert.deepEqual(await classify(server), right);

  // What was answered is again what may be sent.
  const after = await configOf(server, 'iris');
  const smaller = { ...after, max_batch_size: '12', dynamic_batching: { preferredBatchSize: [4, 12] } };
  const again = await load(server, 'iris', smaller);
  assert.equal(again.status, 200, again.bytes.toString());
  assert.equal((await configOf(server, 'iris')).max_batch_size, 12);
  assert.deepEqual(await classify(server), right);

  assert.equal((await load(server, 'iris')).status, 200);
  assert.deepEqual(await configOf(server, 'iris'), before);
  assert.deepEqual(await classify(server), right);
});

test('a wrong configuration is refused by field, and the model serves on as it was', async (context) => {
  const server = await explicitServer(context);
  assert.equal((await load(server, 'iris', { max_batch_size: 24 })).status, 200);
  for (const [config, status, pattern] of [
    [
      { max_batch_sise: 8 },
      400,
      /^parameters\.config: there is no field "max_batch_sise"\. Did you mean "max_batch_size"/,
    ],
    [
      { input: [{ name: 'features', dims: ['x'] }] },
      400,
      /^parameters\.config: input\[0\]\.dims\[0\] must be a whole number/,
    ],
    [{ backend: 'python' }, 501, /^parameters\.config: the backend "python" is not supported/],
    [{ max_batch_size: 8, input: [{ name: 'nothing' }] }, 503, /iris.*could not be loaded: .*nothing/],
  ] as const) {
    const refused = await load(server, 'iris', config);
    assert.match(jsonOf(refused).error, pattern);
    assert.equal(refused.status, status);
  }
  assert.equal((await configOf(server, 'iris')).max_batch_size, 24);
  assert.deepEqual(await classify(server), right);
  assert.equal((await load(server, 'none', { max_batch_size: 24 })).status, 404);
  assert.equal((await ask(`${server.url}/v2/models/none/config`)).status, 404);
});

test('the files of a load call are a new model, which a later call replaces and an unload removes', async (context) => {
  const server = await explicitServer(context);
  const { model } = trainIris({ seed: 42 });
  const config = { max_batch_size: 16, default_model_filename: 'net.onnx' };
  assert.equal((await load(server, 'flowers', config, { '3/net.onnx': model })).status, 200);
  assert.deepEqual(await classify(server, 'flowers'), right);
  assert.deepEqual(jsonOf(await ask(`${server.url}/v2/models/flowers`)).versions, ['3']);
  assert.equal((await configOf(server, 'flowers')).max_batch_size, 16);
  assert.deepEqual(
    (await readdir(server.models)).filter((name) => !name.startsWith('.')),
    ['iris'],
  );

  const broken = await load(server, 'flowers', {}, { '4/model.onnx': Buffer.from('not a model') });
  assert.equal(broken.status, 503);
  assert.match(jsonOf(broken).error, /^Model "flowers" version "4" could not be loaded: /);
  const without = await load(server, 'flowers', config, { '4/other.onnx': model });
  assert.ok([404, 503].includes(without.status) && /flowers/.test(jsonOf(without).error));
  assert.deepEqual(await classify(server, 'flowers'), right);

  const half = { '5/model.onnx': Buffer.from('not a model'), '6/model.onnx': model };
  assert.equal((await load(server, 'flowers', { version_policy: { all: {} } }, half)).status, 503);
  assert.deepEqual(jsonOf(await ask(`${server.url}/v2/models/flowers`)).versions, ['3']);
  assert.deepEqual(await classify(server, 'flowers'), right);

  const plain = await load(server, 'flowers');
  assert.deepEqual([plain.status, /no folder in the repository/.test(jsonOf(plain).error)], [404, true]);
  assert.deepEqual(await classify(server, 'flowers'), right);

  const two = { '5/model.onnx': model, '6/model.onnx': model };
  assert.equal((await load(server, 'flowers', { version_policy: { all: {} } }, two)).status, 200);
  const index = jsonOf(await ask(`${server.url}/v2/repository/index`, { body: '{"ready": true}' }));
  const versions = index.filter(({ name }: { name: string }) => name === 'flowers');
  assert.deepEqual(
    versions.map(({ version }: { version: string }) => version),
    ['5', '6'],
  );

  assert.equal((await ask(`${server.url}/v2/repository/models/flowers/unload`, { body: '{}' })).status, 200);
  assert.equal((await classify(server, 'flowers'))[0], 404);
});

test('a model that failed to load from a call does not exist', async (context) => {
  const server = await explicitServer(context);
  assert.equal((await load(server, 'new', {}, { '1/model.onnx': Buffer.from('not a model') })).status, 503);
  assert.equal((await classify(server, 'new'))[0], 404);
  assert.equal((await load(server, 'new', {}, { '1/model.onnx': trainIris({ seed: 42 }).model })).status, 200);
  assert.deepEqual(await classify(server, 'new'), right);
});

test('loads of one model at the same time happen one after the other', async (context) => {
  const server = await explicitServer(context);
  const sizes = [3, 4, 5, 6];
  const replies = await Promise.all([
    ...sizes.map((size) => load(server, 'iris', { max_batch_size: size })),
    load(server, 'iris', { max_batch_size: -1 }),
  ]);
  assert.deepEqual(
    replies.map(({ status }) => status),
    [200, 200, 200, 200, 400],
  );
  assert.ok(sizes.includes((await configOf(server, 'iris')).max_batch_size));
  assert.deepEqual(await classify(server), right);
});

test('loads with files under traffic lose no request', async (context) => {
  const server = await explicitServer(context);
  const { model } = trainIris({ seed: 42 });
  let stopped = false;
  let answers = 0;
  const client = async () => {
    for (; !stopped; answers++) assert.deepEqual(await classify(server), right);
  };
  const clients = Promise.all([client(), client(), client()]);
  for (const [config, files] of [
    [{ max_batch_size: 8 }, { '1/model.onnx': model }],
    [{ max_batch_size: 8 }, { '1/model.onnx': model }],
    [{ max_batch_size: 9 }, { '2/model.onnx': model }],
    [{ max_batch_size: 10 }, {}],
    [undefined, {}],
  ] as const) {
    assert.equal((await load(server, 'iris', config, files)).status, 200);
  }
  stopped = true;
  await clients;
  assert.ok(answers > 0);
});

test('what was uploaded lies in no folder once the server has stopped', async (context) => {
  const parent = await mkdtemp(join(tmpdir(), 'hotpath-load-'));
  context.after(() => rm(parent, { recursive: true }));
  const previous = process.env.TMPDIR;
  process.env.TMPDIR = parent;
  try {
    const models = await modelFolder();
    const server = await serve(models, { modelControl: 'explicit' });
    assert.equal((await load(server, 'new', {}, { '1/model.onnx': trainIris({ seed: 42 }).model })).status, 200);
    assert.ok((await readdir(parent)).some((name) => name.startsWith('hotpath-uploads-')));
    await server.stop();
  } finally {
    if (previous === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = previous;
  }
  assert.deepEqual(
    (await readdir(parent)).filter((name) => name.startsWith('hotpath-uploads-')),
    [],
  );
});

const proto = fileURLToPath(new URL('../../proto/open_inference.proto', import.meta.url));
const definition = loadSync(proto, { keepCase: true, longs: String, defaults: true });
// biome-ignore lint/suspicious/noExplicitAny: a client made at run time from the proto
const { inference } = grpc.loadPackageDefinition(definition) as any;

test('over gRPC the files come as bytes', async (context) => {
  const server = await explicitServer(context);
  const address = server.grpcUrl.replace('grpc://', '');
  const client = new inference.GRPCInferenceService(address, grpc.credentials.createInsecure());
  context.after(() => client.close());
  // biome-ignore lint/suspicious/noExplicitAny: messages are read field by field
  const call = (method: string, message: object): Promise<any> =>
    new Promise((resolve, reject) => {
      client[method](message, (error: Error | null, answer: object) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
  const loadOver = (config: object, bytes: Uint8Array) => {
    const file = { 'file:2/model.onnx': { bytes_param: Buffer.from(bytes) } };
    const parameters = { config: { string_param: JSON.stringify(config) }, ...file };
    return call('RepositoryModelLoad', { model_name: 'flowers', parameters });
  };
  await loadOver({ maxBatchSize: 16 }, trainIris({ seed: 42 }).model);
  assert.equal((await call('ModelConfig', { name: 'flowers' })).config.max_batch_size, 16);
  assert.deepEqual(await classify(server, 'flowers'), right);
  await assert.rejects(loadOver({}, Buffer.from('not a model')), (error: grpc.ServiceError) => {
    assert.match(error.details, /^Model "flowers" version "2" could not be loaded: /);
    return true;
  });
  await assert.rejects(loadOver({ input: 5 }, Buffer.from('')), (error: grpc.ServiceError) => {
    assert.deepEqual(
      [error.code, error.details],
      [grpc.status.INVALID_ARGUMENT, 'parameters.config: input must be a list, not 5.'],
    );
    return true;
  });
  assert.deepEqual(await classify(server, 'flowers'), right);
  await call('RepositoryModelLoad', {
    model_name: 'iris',
    parameters: { config: { string_param: '{"max_batch_size": 7}' } },
  });
  assert.equal((await configOf(server, 'iris')).max_batch_size, 7);
  await call('RepositoryModelLoad', { model_name: 'iris' });
  assert.notEqual((await configOf(server, 'iris')).max_batch_size, 7);
});
