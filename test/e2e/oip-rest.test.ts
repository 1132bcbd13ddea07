/** The Open Inference Protocol over REST on the real server: the same answers as the native API, and statistics that count right. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { SettingName } from '../../src/config/schema.ts';
import { ask, askJson, jsonOf, predictUrl } from '../integration/support/rest-client.ts';
import { storeIdentity } from '../integration/support/rest-models.ts';
import { modelFolder, serve, storeIris, type TestServer } from './support/serve.ts';

async function irisServer(context: TestContext, given: Partial<Record<SettingName, string>> = {}): Promise<TestServer> {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models, given);
  context.after(() => server.stop());
  return server;
}

const rows = [
  [5.1, 3.5, 1.4, 0.2],
  [6.7, 3.0, 5.2, 2.3],
];

function inferBody(data: unknown, more: object = {}): string {
  return JSON.stringify({ inputs: [{ name: 'features', shape: [2, 4], datatype: 'FP32', data }], ...more });
}

test('flat, nested and binary inputs get the answers of the native API', async (context) => {
  const server = await irisServer(context);
  const native = await askJson(`${predictUrl(server)}/batch`, { instances: rows });
  const infer = `${server.url}/v2/models/iris/infer`;
  for (const data of [rows.flat(), rows]) {
    const { status, body } = await askJson(infer, JSON.parse(inferBody(data, { id: 'a1' })));
    assert.equal(status, 200);
    const [label, probabilities] = body.outputs;
    assert.deepEqual([body.model_name, body.model_version, body.id], ['iris', '1', 'a1']);
    assert.deepEqual([label.name, label.datatype, label.shape], ['label', 'INT64', [2]]);
    assert.deepEqual(label.data, native.body.predictions);
    assert.deepEqual([probabilities.shape, probabilities.datatype], [[2, 3], 'FP32']);
    assert.deepEqual(probabilities.data, native.body.probabilities.flat());
  }
  const bytes = Buffer.from(Float32Array.from(rows.flat()).buffer);
  const input = { name: 'features', shape: [2, 4], datatype: 'FP32', parameters: { binary_data_size: bytes.length } };
  const json = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  const headers = { 'inference-header-content-length': json.length, 'content-type': 'application/octet-stream' };
  const reply = await ask(infer, { body: Buffer.concat([json, bytes]), headers });
  assert.equal(reply.status, 200);
  const length = Number(reply.headers['inference-header-content-length']);
  const { outputs } = JSON.parse(reply.bytes.subarray(0, length).toString());
  assert.deepEqual(
    outputs.map(({ parameters }: { parameters: { binary_data_size: number } }) => parameters.binary_data_size),
    [16, 24],
  );
  const binary = new Uint8Array(reply.bytes.subarray(length)).buffer;
  assert.deepEqual([...new BigInt64Array(binary, 0, 2)].map(Number), native.body.predictions);
  assert.deepEqual([...new Float32Array(binary, 16)], Array.from(Float32Array.from(native.body.probabilities.flat())));
});

test('a large binary tensor is right at every length of the JSON before it', async (context) => {
  const models = await modelFolder();
  await storeIdentity(models, 'echo', 'float32');
  const server = await serve(models);
  context.after(() => server.stop());
  const values = Float32Array.from({ length: 80_000 }, (_, index) => Math.fround(index / 7));
  const bytes = Buffer.from(values.buffer);
  const metadata = { body: jsonOf(await ask(`${server.url}/v2/models/echo`)) };
  const [{ name }] = metadata.body.inputs;
  for (let pad = 0; pad < 9; pad++) {
    const input = { name, shape: [1, 80_000], datatype: 'FP32', parameters: { binary_data_size: bytes.length } };
    const json = JSON.stringify({ id: 'x'.repeat(pad), inputs: [input], parameters: { binary_data_output: true } });
    const reply = await ask(`${server.url}/v2/models/echo/infer`, {
      body: Buffer.concat([Buffer.from(json), bytes]),
      headers: { 'inference-header-content-length': json.length, 'content-type': 'application/octet-stream' },
    });
    assert.equal(reply.status, 200, reply.bytes.subarray(0, 300).toString());
    const length = Number(reply.headers['inference-header-content-length']);
    assert.ok(reply.bytes.subarray(length).equals(bytes), `${json.length} bytes of JSON`);
  }
});

test('statistics count every request and row, and their phases add up to the whole', async (context) => {
  const server = await irisServer(context);
  const infer = `${server.url}/v2/models/iris/infer`;
  const good = 300;
  await Promise.all(Array.from({ length: good }, () => askJson(infer, JSON.parse(inferBody(rows)))));
  const wrong = await ask(infer, { body: inferBody([1]) });
  assert.equal(wrong.status, 400);
  const body = jsonOf(await ask(`${server.url}/v2/models/iris/versions/1/stats`));
  const [stats] = body.model_stats;
  const { success, fail, queue, compute_input, compute_infer, compute_output } = stats.inference_stats;
  assert.deepEqual([success.count, fail.count, stats.inference_count], [good, 1, 2 * good]);
  for (const phase of [queue, compute_input, compute_infer, compute_output]) assert.equal(phase.count, good);
  const batches = stats.batch_stats as { batch_size: number; compute_infer: { count: number } }[];
  const executed = batches.reduce((sum, batch) => sum + batch.compute_infer.count, 0);
  const rowsRun = batches.reduce((sum, batch) => sum + batch.batch_size * batch.compute_infer.count, 0);
  assert.deepEqual([executed, rowsRun], [stats.execution_count, 2 * good]);
  const phases = queue.ns + compute_input.ns + compute_infer.ns + compute_output.ns;
  assert.ok(phases > 0.95 * success.ns && phases <= success.ns, `phases ${phases} of ${success.ns} ns`);
  assert.ok(Date.now() - stats.last_inference < 60_000);
});

test('clients may change the repository and the log level only where the operator allows it', async (context) => {
  const closed = await irisServer(context);
  const open = await irisServer(context, { modelControl: 'explicit' });
  for (const path of ['repository/models/iris/unload', 'repository/models/iris/load', 'logging']) {
    const refused = await ask(`${closed.url}/v2/${path}`, { body: '{}' });
    assert.match(jsonOf(refused).error, /modelControl|not allowed|explicit/i, path);
    assert.equal(refused.status, 501, path);
    assert.equal((await ask(`${open.url}/v2/${path}`, { body: '{}' })).status, 200, path);
  }
  assert.equal((await askJson(`${open.url}/v2/models/iris/infer`, JSON.parse(inferBody(rows)))).status, 200);
});

test('errors have the form of the protocol, and answers carry the headers of the server', async (context) => {
  const server = await irisServer(context);
  for (const [path, body, status, pattern] of [
    ['models/none/infer', inferBody(rows), 404, /none/],
    ['models/iris/infer', '{', 400, /JSON/],
    ['models/iris/infer', inferBody([1, 2]), 400, /features/],
    ['nowhere', undefined, 404, /v2\/nowhere/],
  ] as const) {
    const reply = await ask(`${server.url}/v2/${path}`, { body });
    assert.equal(reply.status, status, path);
    assert.deepEqual(Object.keys(jsonOf(reply)), ['error']);
    assert.match(jsonOf(reply).error, pattern);
    assert.ok(reply.headers['x-request-id']);
  }
  const live = await ask(`${server.url}/v2/health/live`, { headers: { 'x-request-id': 'mine' } });
  assert.equal(live.headers['x-request-id'], 'mine');
});
