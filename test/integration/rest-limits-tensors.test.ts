/** What tensors may be: dimensions, byte counts, empty ones and NaN, checked alike in every encoding. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { writeMsgpack } from '../../src/protocols/codecs/msgpack-writer.ts';
import { modelFolder, serve, storeIris, type TestServer } from '../e2e/support/serve.ts';
import { ask, askJson, assertRefusals, jsonOf, type NamedCase } from './support/rest-client.ts';
import { storeAdd, storeIdentity } from './support/rest-models.ts';

const row = [5.1, 3.5, 1.4, 0.2];
let server: TestServer;

before(async () => {
  const models = await modelFolder();
  await storeIris(models);
  await storeAdd(models);
  await storeIdentity(models, 'bool', 'bool');
  await storeIdentity(models, 'text', 'string');
  await storeIdentity(models, 'lenient', 'float32', { nan: 'allow' });
  await storeIdentity(models, 'strict', 'float32');
  server = await serve(models, { maxDims: '4' });
});
after(() => server.stop());

const assertNamed = (path: string, cases: readonly NamedCase[]): Promise<void> =>
  assertRefusals(`${server.url}/api/v1${path}`, cases);

test('NaN and infinity are refused in every encoding unless model.json allows them', async () => {
  await assertNamed('/models/strict/predict', [
    [{ features: [1, 'NaN'] }, 'features[1]', /no NaN or infinity/],
    [{ features: ['-Infinity'] }, 'features[0]', /no NaN or infinity/],
    [{ features: [1, null] }, 'features[1]', /no NaN or infinity/],
  ]);
  const values = [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const bodies = [
    ['application/json', JSON.stringify({ inputs: { X: [[1, 'NaN', 'Infinity', '-Infinity']] } })],
    ['application/msgpack', writeMsgpack({ inputs: { X: [values] } })],
    ['application/octet-stream', new Uint8Array(new Float32Array(values).buffer)],
  ] as const;
  for (const [type, body] of bodies) {
    const headers = { 'content-type': type, 'x-tensor-shape': '1,4', accept: 'application/octet-stream' };
    const refused = await ask(`${server.url}/api/v1/models/strict/predict`, { body, headers });
    assert.equal(refused.status, 400, type);
    assert.match(jsonOf(refused).error.message, /no NaN or infinity/, type);
    assert.match(jsonOf(refused).error.details.field, /^(inputs\.X\[0\]|body)\[1\]$/, type);
    const taken = await ask(`${server.url}/api/v1/models/lenient/predict`, { body, headers });
    assert.equal(taken.status, 200, `${type} ${taken.bytes.toString()}`);
    assert.deepEqual([...new Float32Array(Uint8Array.from(taken.bytes).buffer)], values, type);
  }
});

test('dimensions are safe integers with a safe product, at most maxDims of them', async () => {
  const big = 2 ** 40;
  const shapes = [
    [2 ** 53, 2 ** 53],
    [0, big, big],
    [big, big],
    [-1, 2],
    [1, -2],
    [1.5, 2],
    ['1', 2],
    [null, 1],
    5,
    {},
  ];
  const cases = [...shapes, [1, 1, 1, 1, 1], Array(100).fill(1)].map((shape): NamedCase => {
    const words = /at most 4 dimensions whose product is a safe integer/;
    return [{ inputs: { X: { shape, data: [] } } }, 'inputs.X.shape', words];
  });
  await assertNamed('/models/strict/predict', cases);
  await assertNamed('/models/strict/predict', [
    [{ inputs: { X: { shape: [big, 1], data: [] } } }, 'inputs.X.data', /1099511627776 numbers/],
  ]);
  for (const header of [
    '9007199254740992,9007199254740992',
    '0,1099511627776,1099511627776',
    '-1,4',
    '1.5,4',
    'a',
    ',',
  ]) {
    const headers = { 'content-type': 'application/octet-stream', 'x-tensor-shape': header };
    const reply = await ask(`${server.url}/api/v1/models/strict/predict`, { body: new Uint8Array(16), headers });
    assert.equal(reply.status, 400, `${header} ${reply.bytes}`);
    assert.equal(jsonOf(reply).error.details.field, 'X-Tensor-Shape');
  }
});

test('raw bodies must hold a whole number of rows, and bool bytes of 0 or 1', async () => {
  const headers = { 'content-type': 'application/octet-stream' };
  for (const [model, size, words] of [
    ['iris', 15, /15 bytes/],
    ['iris', 20, /20 bytes/],
    ['iris', 0, /0 bytes/],
    ['text', 8, /string tensors have no raw form/],
    ['add', 8, /models with one input/],
  ] as const) {
    const reply = await ask(`${server.url}/api/v1/models/${model}/predict`, { body: new Uint8Array(size), headers });
    assert.equal(reply.status, 400, `${model} ${size} ${reply.bytes}`);
    assert.match(jsonOf(reply).error.message, words);
    assert.equal(jsonOf(reply).error.details.field, 'body');
  }
  const shape = { ...headers, 'x-tensor-shape': '1,3' };
  const bools = await ask(`${server.url}/api/v1/models/bool/predict`, { body: Uint8Array.of(0, 1, 2), headers: shape });
  assert.deepEqual([bools.status, jsonOf(bools).error.details.field], [400, 'body[2]']);
});

test('tensors without elements are answered or refused, and the model serves on', async () => {
  const models = await modelFolder();
  await storeIris(models);
  await storeIdentity(models, 'any', 'float32');
  const other = await serve(models, { sloMs: '500' });
  try {
    const requests = [
      ['any', '2,0'],
      ['any', '0,4'],
      ['iris', '0,4'],
    ] as const;
    for (const [model, shape] of requests) {
      const url = `${other.url}/api/v1/models/${model}/predict`;
      const headers = { 'content-type': 'application/octet-stream', 'x-tensor-shape': shape };
      const raw = await ask(url, { body: new Uint8Array(0), headers });
      assert.ok(raw.status < 500, `raw ${model} [${shape}] -> ${raw.bytes}`);
      const tensor = { shape: shape.split(',').map(Number), data: [] };
      const input = model === 'iris' ? 'features' : 'X';
      const json = await askJson(url, { inputs: { [input]: tensor } });
      assert.ok(json.status < 500, `json ${model} [${shape}] -> ${JSON.stringify(json.body)}`);
    }
    const { status, body } = await askJson(`${other.url}/api/v1/predict`, { features: row });
    assert.deepEqual([status, body.label], [200, 'setosa'], JSON.stringify(body));
  } finally {
    await other.stop();
  }
});
