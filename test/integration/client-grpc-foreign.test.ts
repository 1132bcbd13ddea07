/** The gRPC client against a server that is not ours: grpc-js with the public proto, answering typed contents, errors and gzip. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createGrpcClient, type GrpcClient } from '../../src/client/node-grpc.ts';

const proto = fileURLToPath(new URL('../../proto/open_inference.proto', import.meta.url));
// biome-ignore lint/suspicious/noExplicitAny: made at run time from the proto
const { inference } = grpc.loadPackageDefinition(loadSync(proto, { keepCase: true, longs: String })) as any;

// biome-ignore lint/suspicious/noExplicitAny: messages are read field by field
type Message = any;

const typedOutputs = [
  { name: 'f', datatype: 'FP32', shape: [2], contents: { fp32_contents: [1.5, -0] } },
  { name: 'd', datatype: 'FP64', shape: [1], contents: { fp64_contents: [Math.PI] } },
  { name: 'i8', datatype: 'INT8', shape: [2], contents: { int_contents: [-128, 127] } },
  { name: 'u16', datatype: 'UINT16', shape: [1], contents: { uint_contents: [65535] } },
  { name: 'i64', datatype: 'INT64', shape: [1], contents: { int64_contents: ['-9223372036854775808'] } },
  { name: 'u64', datatype: 'UINT64', shape: [1], contents: { uint64_contents: ['18446744073709551615'] } },
  { name: 'b', datatype: 'BOOL', shape: [2], contents: { bool_contents: [true, false] } },
  { name: 's', datatype: 'BYTES', shape: [2], contents: { bytes_contents: [Buffer.from(''), Buffer.from('né')] } },
];

describe('the gRPC client and a foreign server', () => {
  const requests: Message[] = [];
  const server = new grpc.Server({ 'grpc.default_compression_algorithm': 2, 'grpc.default_compression_level': 2 });
  let client: GrpcClient;

  before(async () => {
    server.addService(inference.GRPCInferenceService.service, {
      ServerLive: (_call: Message, done: Message) => done(null, { live: true }),
      ModelInfer(call: Message, done: Message) {
        requests.push({
          ...call.request,
          traceparent: call.metadata.get('traceparent')[0],
          deadline: call.getDeadline(),
        });
        if (call.request.model_name === 'bad') done({ code: grpc.status.INVALID_ARGUMENT, details: 'ungültig: 100 %' });
        else done(null, { model_name: 'm', model_version: '7', id: call.request.id, outputs: typedOutputs });
      },
    });
    const bind = (done: (error: Error | null, port: number) => void) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), done);
    const port = await new Promise<number>((resolve, reject) => {
      bind((error, bound) => (error === null ? resolve(bound) : reject(error)));
    });
    client = createGrpcClient(`127.0.0.1:${port}`, { headers: { traceparent: 'trace' } });
  });

  after(() => {
    client.close();
    server.forceShutdown();
  });

  it('reads typed contents of every kind', async () => {
    const { outputs, version, id } = await client.infer('m', { x: { shape: [1], data: ['text'] } }, { id: 'seven' });
    assert.deepEqual([version, id], ['7', 'seven']);
    assert.deepEqual(
      Object.values(outputs).map(({ data }) => data),
      [
        Float32Array.of(1.5, -0),
        Float64Array.of(Math.PI),
        Int8Array.of(-128, 127),
        Uint16Array.of(65535),
        BigInt64Array.of(-(2n ** 63n)),
        BigUint64Array.of(2n ** 64n - 1n),
        Uint8Array.of(1, 0),
        ['', 'né'],
      ],
    );
  });

  it('sends what it understands: raw contents, parameters, metadata, the deadline', async () => {
    const x = { shape: [2, 1], data: Float32Array.of(1, 2) };
    const parameters = { sequence_id: 5, name: 'a', share: 0.5, flag: true };
    const startMs = Date.now();
    await client.infer('m', { x }, { outputs: ['f'], priority: 0, parameters, timeoutMs: 60_000 });
    const request = requests.at(-1)!;
    assert.deepEqual(request.inputs[0].shape, ['2', '1']);
    assert.deepEqual(request.raw_input_contents, [Buffer.from(Float32Array.of(1, 2).buffer)]);
    assert.deepEqual(
      request.outputs.map(({ name }: Message) => name),
      ['f'],
    );
    assert.deepEqual(
      Object.fromEntries(
        Object.entries(request.parameters).map(([key, value]) => [key, Object.values(value as object)[0]]),
      ),
      { sequence_id: '5', name: 'a', share: 0.5, flag: true, priority: '1' },
    );
    assert.equal(request.traceparent, 'trace');
    const leftMs = Number(request.deadline) - startMs;
    assert.ok(leftMs > 50_000 && leftMs <= 61_000, String(leftMs));
  });

  it('throws its status and message, and sees that it lives', async () => {
    const x = { shape: [1], data: Float32Array.of(1) };
    await assert.rejects(client.infer('bad', { x }), { code: 'INVALID_INPUT', status: 3, message: 'ungültig: 100 %' });
    assert.equal(await client.live(), true);
    assert.equal(await client.ready(), false);
    await assert.rejects(client.metadata('m'), { code: 'UNSUPPORTED', status: 12 });
  });
});
