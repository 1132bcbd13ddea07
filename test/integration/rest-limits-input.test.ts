/** What a request may say: every wrong field, name, type, shape, count and value is a 400 that names it and what was expected. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { modelFolder, serve, storeIris, type TestServer } from '../e2e/support/serve.ts';
import { ask, askJson, assertRefusals, jsonOf, type NamedCase } from './support/rest-client.ts';
import { storeAdd, storeIdentity } from './support/rest-models.ts';

const row = [5.1, 3.5, 1.4, 0.2];
let server: TestServer;

before(async () => {
  const models = await modelFolder();
  await storeIris(models);
  await storeAdd(models);
  await storeIdentity(models, 'int64', 'int64');
  await storeIdentity(models, 'uint8', 'uint8');
  await storeIdentity(models, 'bool', 'bool');
  await storeIdentity(models, 'half', 'float16');
  await storeIdentity(models, 'text', 'string');
  await storeIdentity(models, 'strict', 'float32');
  server = await serve(models, { maxInputs: '2', maxDims: '4' });
});
after(() => server.stop());

const assertNamed = (path: string, cases: readonly NamedCase[]): Promise<void> =>
  assertRefusals(`${server.url}/api/v1${path}`, cases);

test('fields of the body: unknown, missing, twice, or of a wrong type', async () => {
  await assertNamed('/predict', [
    [{ features: row, feature: 1 }, 'feature', /Unknown field "feature".*"features"/],
    [`{"features":[5.1,3.5,1.4,0.2],"__proto__":1}`, '__proto__', /Unknown field/],
    [{ features: row, options: { timeout: 1 } }, 'options.timeout', /Unknown option "timeout".*"timeoutMs"/],
    [{}, 'features', /"features".*got none/],
    [{ features: row, inputs: {} }, 'features', /exactly one of "features", "inputs", got 2/],
    [{ instances: [row] }, 'instances', /predict\/batch/],
    [[], 'body', /an object.*a list of 0/],
    ['null', 'body', /an object.*null/],
    ['3', 'body', /an object.*number 3/],
    [`{"features":[1],"features":[5.1,3.5,1.4,0.2]}`, 'features', /"features" is given twice/],
    [`{"features":[5.1,3.5,1.4,0.2],"mod\\u0065l":"iris","model":"iris"}`, 'model', /given twice/],
    [{ features: row, model: 7 }, 'model', /a non-empty string, got number 7/],
    [{ features: row, model: '' }, 'model', /a non-empty string/],
    [{ features: row, version: null }, 'version', /a non-empty string, got null/],
    [{ features: row, options: 3 }, 'options', /an object, got number 3/],
    [{ features: row, options: { timeoutMs: 0 } }, 'options.timeoutMs', /above 0/],
    [{ features: row, options: { timeoutMs: '1' } }, 'options.timeoutMs', /got string "1"/],
    [{ features: row, options: { timeoutMs: 3_600_001 } }, 'options.timeoutMs', /at most 3600000/],
    [{ features: row, options: { priority: 4 } }, 'options.priority', /0, 1, 2 or 3, got number 4/],
    [{ features: row, options: { priority: 0.5 } }, 'options.priority', /0, 1, 2 or 3/],
    [{ features: row, options: { batching: 'on' } }, 'options.batching', /"off" or "auto"/],
    [{ features: row, options: { labels: 1 } }, 'options.labels', /true or false/],
    [{ features: row, outputs: [] }, 'outputs', /1 to 2 output names/],
    [{ features: row, outputs: ['label', 'label'] }, 'outputs[1]', /each output once/],
    [{ features: row, outputs: [1] }, 'outputs[0]', /an output name, got number 1/],
    [{ features: row, outputs: ['nope'] }, 'outputs', /"nope" is unknown; the model has: .+/],
  ]);
  await assertNamed('/predict/batch', [
    [{ features: row }, 'features', /not taken here; expected "instances"/],
    [{ instances: [] }, 'instances', /at least one row/],
    [{ instances: {} }, 'instances', /a list of at least one row, got an object/],
  ]);
  await assertNamed('/models/iris/predict', [[{ features: row, model: 'iris' }, 'model', /the URL names/]]);
});

test('maxInputs bounds the inputs and the outputs that one request names', async () => {
  await assertNamed('/predict', [
    [{ features: row, outputs: ['a', 'b', 'c'] }, 'outputs', /1 to 2 output names/],
    [{ features: row, options: { outputs: ['a', 'b', 'c'] } }, 'options.outputs', /1 to 2 output names/],
  ]);
  await assertNamed('/models/add/predict', [
    [{ inputs: { a: [[1, 2]], b: [[1, 2]], c: [[1, 2]] } }, 'inputs', /at most 2/],
  ]);
});

test('counts and shapes of rows', async () => {
  await assertNamed('/predict', [
    [{ features: [5.1, 3.5, 1.4] }, 'features', /expected 4 numbers, got 3/],
    [{ features: [...row, 1] }, 'features', /expected 4 numbers, got 5/],
    [{ features: [] }, 'features', /expected 4 numbers, got 0/],
    [{ features: [row, row] }, 'features', /one row, got 2/],
    [{ features: [[row]] }, 'features', /expected shape \[4\], got \[1, 1, 4\]/],
    [{ features: 1 }, 'features', /4 numbers/],
    [{ features: null }, 'features', /a list of numbers, got null/],
    [{ features: { a: 1 } }, 'features.a', /Unknown input "a"; the model has: "features"/],
  ]);
  await assertNamed('/predict/batch', [
    [{ instances: [row, [1, 2, 3]] }, 'instances[1]', /4 numbers, got 3/],
    [{ instances: [row, 5] }, 'instances[1]', /4 numbers, got number 5/],
    [{ instances: [row, null, row] }, 'instances[1]', /got null/],
    [{ instances: [[1, 2, 3]] }, 'instances[0]', /expected 4 numbers, got 3/],
    [{ instances: [row, [1, 2, 3, '4']] }, 'instances[1][3]', /a number, got string "4"/],
    [{ instances: [row, [1, [2], 3, 4]] }, 'instances[1][1]', /a number, got a list/],
  ]);
});

test('values of the wrong type or out of range', async () => {
  await assertNamed('/predict', [
    [{ features: [5.1, 3.5, 1.4, '0.2'] }, 'features[3]', /a number, got string "0.2"/],
    [{ features: [5.1, true, 1.4, 0.2] }, 'features[1]', /a number, got boolean true/],
    [{ features: [null, 3.5, 1.4, 0.2] }, 'features[0]', /got null/],
    ['{"features":[1e39,3.5,1.4,0.2]}', 'features[0]', /range/],
    ['{"features":[1e999,3.5,1.4,0.2]}', 'features[0]', /infinity/],
  ]);
  await assertNamed('/models/int64/predict', [
    [{ features: [1.5] }, 'features[0]', /a 64-bit integer, got number 1.5/],
    ['{"features":[9007199254740993]}', 'features[0]', /decimal strings/],
    [{ features: ['9223372036854775808'] }, 'features[0]', /64-bit integer/],
    [{ features: ['0x10'] }, 'features[0]', /64-bit integer/],
  ]);
  await assertNamed('/models/uint8/predict', [
    [{ features: [256] }, 'features[0]', /0 to 255/],
    [{ features: [-1] }, 'features[0]', /0 to 255/],
  ]);
  await assertNamed('/models/half/predict', [[{ features: [65520] }, 'features[0]', /range for float16/]]);
  await assertNamed('/models/bool/predict', [[{ features: [2] }, 'features[0]', /true or false/]]);
  await assertNamed('/models/text/predict', [[{ features: [2] }, 'features[0]', /a string, got number 2/]]);
});

test('named inputs: unknown, missing, twice, or of the wrong form', async () => {
  const a = [[1, 2]];
  await assertNamed('/models/strict/predict', [
    [{ inputs: { x: a } }, 'inputs.x', /Unknown input "x"; the model has: "X"/],
    [`{"inputs":{"X":[[1]],"__proto__":[[1]]}}`, 'inputs.__proto__', /Unknown input/],
    [{ inputs: {} }, 'inputs.X', /Missing input "X"/],
    [`{"inputs":{"X":[[1]],"X":[[2]]}}`, 'X', /given twice/],
    [{ inputs: [a] }, 'inputs', /an object of tensors by name/],
    [{ inputs: { X: { data: [1] } } }, 'inputs.X.shape', /a list/],
    [{ inputs: { X: { shape: [1, 1], data: [1], dtype: 'x' } } }, 'inputs.X.dtype', /unknown field "dtype"/],
    [
      { inputs: { X: { shape: [1, 1], data: [1], datatype: 'int64' } } },
      'inputs.X.datatype',
      /"float32", got string "int64"/,
    ],
    [{ inputs: { X: { shape: [1, 2], data: [1] } } }, 'inputs.X.data', /2 numbers for shape \[1, 2\]/],
    [{ inputs: { X: { shape: [1, 2] } } }, 'inputs.X.data', /2 numbers.*nothing/],
    [{ inputs: { X: [[1, 2], [3]] } }, 'inputs.X[1]', /2 numbers, got 1/],
    [{ inputs: { X: [[[1]]] } }, 'inputs.X', /shape \[\?, \?\], got \[1, 1, 1\]/],
  ]);
  await assertNamed('/models/add/predict', [
    [{ inputs: { a, b: a } }, 'inputs.c', /Missing input "c"/],
    [{ features: [1, 2] }, 'features', /3 inputs/],
    [{ features: { a: [1, 2], b: [1, 2], d: [1, 2] } }, 'features.d', /Unknown input "d"/],
    [
      {
        instances: [
          { a: [1, 2], b: [1, 2], c: [1, 2] },
          { a: [1, 2], b: [1, 2] },
        ],
      },
      'instances[1].c',
      /Missing input "c"/,
    ],
  ]);
});

test('headers that name options are checked like the options', async () => {
  for (const [name, value] of [
    ['X-Timeout-Ms', '0'],
    ['X-Timeout-Ms', 'soon'],
    ['X-Timeout-Ms', '99999999999'],
    ['X-Priority', '4'],
    ['X-Priority', '-1'],
  ] as const) {
    const { status, body } = await askJson(
      `${server.url}/api/v1/predict`,
      { features: row, model: 'iris' },
      { [name]: value },
    );
    assert.deepEqual([status, body.error?.details.field], [400, name], JSON.stringify(body));
  }
});

test('unknown models, versions, routes and methods are 404 or 405', async () => {
  for (const [path, code] of [
    ['/api/v1/models/nope/predict', 'MODEL_NOT_FOUND'],
    ['/api/v1/models/iris/versions/9/predict', 'MODEL_NOT_FOUND'],
    ['/api/v1/models/iris/versions/stable/predict', 'MODEL_NOT_FOUND'],
    ['/api/v1/models/..%2f..%2fetc/predict', 'MODEL_NOT_FOUND'],
    ['/api/v1/models/%00/predict', 'MODEL_NOT_FOUND'],
    ['/api/v1/models/constructor/predict', 'MODEL_NOT_FOUND'],
    ['/api/v1/models/__proto__/versions/__proto__/predict', 'MODEL_NOT_FOUND'],
    ['/api/v1/nope', 'NOT_FOUND'],
  ] as const) {
    const { status, body } = await askJson(`${server.url}${path}`, { features: row });
    assert.equal(status, 404, `${path} ${JSON.stringify(body)}`);
    assert.equal(body.error.code, code, path);
  }
  const named = await askJson(`${server.url}/api/v1/predict`, { features: row, model: '../../etc' });
  assert.deepEqual([named.status, named.body.error.code], [404, 'MODEL_NOT_FOUND']);
  for (const name of ['%zz', 'x'.repeat(2000)]) {
    const malformed = await ask(`${server.url}/api/v1/models/${name}`);
    assert.deepEqual([malformed.status, jsonOf(malformed).error.code], [400, 'INVALID_INPUT']);
  }
  for (const [method, path] of [
    ['GET', '/api/v1/predict'],
    ['DELETE', '/api/v1/models/iris'],
    ['PUT', '/health'],
    ['POST', '/metrics'],
  ] as const) {
    const reply = await ask(`${server.url}${path}`, { method });
    assert.ok(reply.status === 404 || reply.status === 405, `${method} ${path} ${reply.status}`);
    assert.equal(typeof jsonOf(reply).error.message, 'string');
  }
});
