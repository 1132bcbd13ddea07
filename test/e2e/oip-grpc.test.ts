/** gRPC on the real server: a stock client gets the answers that REST gives, and both count into the same statistics. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ask, askJson, jsonOf, predictUrl } from '../integration/support/rest-client.ts';
import { modelFolder, serve, storeIris } from './support/serve.ts';

const proto = fileURLToPath(new URL('../../proto/open_inference.proto', import.meta.url));
const definition = loadSync(proto, { keepCase: true, longs: String, defaults: true });
// biome-ignore lint/suspicious/noExplicitAny: a client made at run time from the proto
const { inference } = grpc.loadPackageDefinition(definition) as any;

async function irisServer(context: TestContext) {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models);
  const address = server.grpcUrl.replace('grpc://', '');
  const client = new inference.GRPCInferenceService(address, grpc.credentials.createInsecure());
  context.after(async () => {
    client.close();
    await server.stop();
  });
  // biome-ignore lint/suspicious/noExplicitAny: messages are read field by field
  const call = (method: string, message: object): Promise<any> =>
    new Promise((resolve, reject) => {
      client[method](message, (error: Error | null, answer: object) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
  return { server, call };
}

const rows = [
  [5.1, 3.5, 1.4, 0.2],
  [6.7, 3.0, 5.2, 2.3],
];

test('typed and raw contents over gRPC get the answers of REST', async (context) => {
  const { server, call } = await irisServer(context);
  const native = await askJson(`${predictUrl(server)}/batch`, { instances: rows });
  const input = { name: 'features', datatype: 'FP32', shape: [2, 4] };
  const raw = Buffer.from(Float32Array.from(rows.flat()).buffer);
  for (const request of [
    { inputs: [{ ...input, contents: { fp32_contents: rows.flat() } }] },
    { inputs: [input], raw_input_contents: [raw] },
  ]) {
    const answer = await call('ModelInfer', { model_name: 'iris', id: 'g', ...request });
    assert.deepEqual([answer.model_name, answer.model_version, answer.id], ['iris', '1', 'g']);
    const [label, probabilities] = answer.raw_output_contents.map((bytes: Buffer) => new Uint8Array(bytes).buffer);
    assert.deepEqual([...new BigInt64Array(label)].map(Number), native.body.predictions);
    assert.deepEqual([...new Float32Array(probabilities)], [...Float32Array.from(native.body.probabilities.flat())]);
  }
});

test('health, metadata and statistics are those of REST', async (context) => {
  const { server, call } = await irisServer(context);
  assert.deepEqual(await call('ServerReady', {}), { ready: true });
  assert.deepEqual(await call('ModelReady', { name: 'iris' }), { ready: true });
  const [overGrpc, overRest] = [
    await call('ModelMetadata', { name: 'iris' }),
    jsonOf(await ask(`${server.url}/v2/models/iris`)),
  ];
  assert.deepEqual(overGrpc.versions, overRest.versions);
  assert.deepEqual(
    overGrpc.inputs.map(({ name, datatype, shape }: { name: string; datatype: string; shape: string[] }) => ({
      name,
      datatype,
      shape: shape.map(Number),
    })),
    overRest.inputs,
  );
  const input = { name: 'features', datatype: 'FP32', shape: [1, 4], contents: { fp32_contents: rows[0] } };
  await call('ModelInfer', { model_name: 'iris', inputs: [input] });
  await askJson(predictUrl(server), { features: rows[1] });
  const { model_stats } = await call('ModelStatistics', { name: 'iris' });
  assert.deepEqual([model_stats[0].inference_stats.success.count, model_stats[0].inference_count], ['2', '2']);
});

test('errors have the code of the protocol and the sentence of REST', async (context) => {
  const { call } = await irisServer(context);
  const input = { name: 'features', datatype: 'FP32', shape: [1, 4], contents: { fp32_contents: [1] } };
  for (const [message, code, pattern] of [
    [{ model_name: 'none' }, grpc.status.NOT_FOUND, /none/],
    [{ model_name: 'iris', inputs: [input] }, grpc.status.INVALID_ARGUMENT, /features.*4 elements/],
    [{ model_name: 'iris', inputs: [] }, grpc.status.INVALID_ARGUMENT, /features/],
  ] as const) {
    await assert.rejects(call('ModelInfer', message), (error: grpc.ServiceError) => {
      assert.equal(error.code, code);
      assert.match(error.details, pattern);
      return true;
    });
  }
});
