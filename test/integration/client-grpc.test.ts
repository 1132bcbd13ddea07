/** The gRPC client against the gRPC server: tensors, deadlines, cancellation, compression, retries. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../src/core/errors.ts';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { datatypes, type Tensor } from '../../src/core/tensor.ts';
import type { InferCall, InferResponse } from '../../src/core/types.ts';
import { anyTensor } from '../../src/protocols/oip/testing/oip-fixtures.ts';
import { clientOf, demo } from './support/client-grpc.ts';
import { identityModel, startGrpc, type TestServer, waitForCancel } from './support/grpc-harness.ts';
import { until } from './support/until.ts';

describe('the gRPC client', () => {
  let server: TestServer;

  before(async () => {
    const all = Object.fromEntries(datatypes.map((datatype) => [datatype, identityModel(datatype)]));
    server = await startGrpc({ models: { ...all, broken: { broken: 'No such operator.' } } });
  });

  after(() => server[Symbol.asyncDispose]());

  it('gets the tensors of every datatype back as it sent them', async (test) => {
    const client = clientOf(test, server.address);
    for (const { datatype, data } of fc.sample(anyTensor, { numRuns: 60, seed: 7 })) {
      if (data.length === 0) continue;
      const input: Tensor = { datatype, shape: [1, data.length], data };
      const { outputs } = await client.infer(datatype, { [datatype]: input });
      assert.deepEqual(outputs[datatype], input);
    }
  });

  it('passes on id, version and wanted outputs', async (test) => {
    const client = clientOf(test, server.address);
    const { model, version, id, outputs } = await client.infer('demo', demo, {
      id: 'seven',
      version: '1',
      outputs: ['row_sum'],
    });
    assert.deepEqual([model, version, id], ['demo', '1', 'seven']);
    assert.deepEqual(outputs, { row_sum: { datatype: 'float32', shape: [2], data: Float32Array.of(3, 7) } });
  });

  it('carries megabytes both ways, plain and compressed', async (test) => {
    const data = Float32Array.from({ length: 1 << 20 }, seededRandom(1));
    for (const compression of ['none', 'gzip'] as const) {
      const client = clientOf(test, server.address, { compression });
      const { outputs } = await client.infer('float32', { float32: { shape: [1, data.length], data } });
      assert.deepEqual(outputs.float32!.data, data);
    }
  });

  it('runs many calls at once on one connection', async (test) => {
    const client = clientOf(test, server.address);
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        client.infer('demo', { features: { shape: [1, 2], data: Float32Array.of(index, 1) } }),
      ),
    );
    const sums = answers.map(({ outputs }) => outputs.row_sum!.data[0]);
    assert.deepEqual(
      sums,
      answers.map((_, index) => index + 1),
    );
  });

  it('describes the server and its models', async (test) => {
    const client = clientOf(test, server.address);
    assert.deepEqual([await client.live(), await client.ready(), await client.ready('demo')], [true, true, true]);
    assert.equal(await client.ready('broken'), false);
    assert.deepEqual((await client.metadata('demo')).inputs, [
      { name: 'features', datatype: 'float32', shape: [-1, -1] },
    ]);
  });

  it('throws the code and the sentence of the server, and retries none of what it says of the request', async (test) => {
    const client = clientOf(test, server.address);
    const before = server.requests.length;
    await assert.rejects(client.infer('nobody', demo), { code: 'MODEL_NOT_FOUND', status: 5 });
    await assert.rejects(client.infer('broken', demo), {
      code: 'MODEL_FAILED',
      status: 14,
      message: /No such operator/,
    });
    const wrong = { features: { shape: [1], data: Float64Array.of(1) } };
    await assert.rejects(client.infer('demo', wrong), {
      code: 'INVALID_INPUT',
      status: 3,
      message: /inputs\.features|features/,
    });
    assert.equal(server.requests.length - before, 3);
  });

  it('refuses an answer beyond its limit', async (test) => {
    const client = clientOf(test, server.address, { maxMessageBytes: 1000 });
    const data = new Float32Array(1000);
    const call = client.infer('float32', { float32: { shape: [1, 1000], data } });
    await assert.rejects(call, { code: 'PAYLOAD_TOO_LARGE' });
  });

  it('tells the server its deadline, and ends by itself when the server does not', async (test) => {
    const calls: InferCall[] = [];
    const infer = (call: InferCall) => {
      calls.push(call);
      return waitForCancel(call);
    };
    await using stuck = await startGrpc({ deps: { infer } });
    const client = clientOf(test, stuck.address);
    await assert.rejects(client.infer('demo', demo, { timeoutMs: 200 }), { code: 'DEADLINE_EXCEEDED' });
    assert.ok(calls[0]!.timeoutMs! > 0 && calls[0]!.timeoutMs! <= 200);
    await until(() => stuck.inFlight.total === 0);
  });

  it('tells the server when the caller cancels', async (test) => {
    await using stuck = await startGrpc({ deps: { infer: waitForCancel } });
    const client = clientOf(test, stuck.address);
    const controller = new AbortController();
    const call = client.infer('demo', demo, { signal: controller.signal });
    await until(() => stuck.inFlight.total === 1);
    controller.abort();
    await assert.rejects(call, { code: 'CANCELLED' });
    await until(() => stuck.inFlight.total === 0);
  });

  it('tries again what the server could not take', async (test) => {
    let refusals = 2;
    const infer = async (): Promise<InferResponse> => {
      if (refusals-- > 0) throw new HotpathError('OVERLOADED', 'Busy.', { retryAfterSeconds: 0.01 });
      throw new HotpathError('ENGINE_FAILED', 'The third attempt.');
    };
    await using busy = await startGrpc({ deps: { infer } });
    const client = clientOf(test, busy.address);
    await assert.rejects(client.infer('demo', demo), { code: 'ENGINE_FAILED', message: 'The third attempt.' });
    refusals = 5;
    await assert.rejects(client.infer('demo', demo), { code: 'OVERLOADED', status: 8, retryAfterSeconds: 0.01 });
  });
});
