/** Everything of the gRPC service but predictions: metadata, repository, health, reflection. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import {
  ask,
  type Client,
  clientOpener,
  collect,
  demoRequest,
  floats,
  type Message,
  openStream,
  services,
} from './support/grpc-client.ts';
import { startGrpc, type TestServer } from './support/grpc-harness.ts';
import { until } from './support/until.ts';

let server: TestServer;
let client: Client;
const connectTo = clientOpener(() => server.address);

before(async () => {
  server = await startGrpc({ models: { other: {}, broken: { broken: 'No such operator.' } } });
  client = connectTo();
});

after(() => server[Symbol.asyncDispose]());

describe('server and model calls', () => {
  it('tells that it lives, is ready, and what it is', async () => {
    assert.deepEqual(await ask(client, 'ServerLive', {}), { live: true });
    assert.deepEqual(await ask(client, 'ServerReady', {}), { ready: true });
    const { name, version, extensions } = await ask(client, 'ServerMetadata', {});
    assert.deepEqual([name, version], ['hotpath', '1.2.3']);
    assert.ok(extensions.includes('statistics') && extensions.includes('model_repository'));
    await using other = await startGrpc();
    other.state = 'draining';
    assert.deepEqual(await ask(connectTo(services.inference, other.address), 'ServerReady', {}), { ready: false });
  });

  it('loads a model that is asked about', async () => {
    assert.deepEqual(await ask(client, 'ModelReady', { name: 'other' }), { ready: true });
    assert.deepEqual(await ask(client, 'ModelReady', { name: 'broken' }), { ready: false });
    await assert.rejects(ask(client, 'ModelReady', { name: 'nobody' }), { code: status.NOT_FOUND });
    await assert.rejects(ask(client, 'ModelReady', {}), { code: status.INVALID_ARGUMENT });
  });

  it('describes a model', async () => {
    const metadata = await ask(client, 'ModelMetadata', { name: 'demo', version: '1' });
    assert.deepEqual(metadata, {
      name: 'demo',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'features', datatype: 'FP32', shape: ['-1', '-1'] }],
      outputs: [
        { name: 'features_copy', datatype: 'FP32', shape: ['-1', '-1'] },
        { name: 'row_sum', datatype: 'FP32', shape: ['-1'] },
      ],
      properties: {},
    });
    await assert.rejects(ask(client, 'ModelMetadata', { name: 'broken' }), {
      code: status.UNAVAILABLE,
      details: /operator/,
    });
  });

  it('tells the configuration in the form of Triton', async () => {
    const { config } = await ask(client, 'ModelConfig', { name: 'demo' });
    assert.equal(config.name, 'demo');
    assert.equal(config.platform, 'onnxruntime_onnx');
    assert.ok(config.max_batch_size > 0);
    assert.equal(config.scheduling_choice, 'dynamic_batching');
    assert.deepEqual(
      config.input.map(({ name, data_type, dims }: Message) => [name, data_type, dims]),
      [['features', 'TYPE_FP32', ['-1']]],
    );
    assert.equal(config.instance_group[0].kind, 'KIND_CPU');
  });

  it('gives the statistics it is given', async () => {
    const duration = { count: 3, ns: 4_000_000_000 };
    const counters = {
      lastInferenceMs: 1.7e12,
      inferenceRows: 9,
      executions: 3,
      success: duration,
      fail: duration,
      queue: duration,
      computeInput: duration,
      computeInfer: duration,
      computeOutput: duration,
      cacheHit: duration,
      cacheMiss: duration,
      batches: [{ rows: 3, computeInput: duration, computeInfer: duration, computeOutput: duration }],
    };
    await using counted = await startGrpc({ deps: { statistics: async () => ({ counters: () => counters }) } });
    const other = connectTo(services.inference, counted.address);
    const { model_stats } = await ask(other, 'ModelStatistics', { name: 'demo' });
    assert.equal(model_stats.length, 1);
    const [{ name, version, last_inference, inference_count, inference_stats, batch_stats }] = model_stats;
    assert.deepEqual([name, version, last_inference, inference_count], ['demo', '1', '1700000000000', '9']);
    assert.deepEqual(inference_stats.queue, { count: '3', ns: '4000000000' });
    assert.equal(batch_stats[0].batch_size, '3');
    await assert.rejects(ask(other, 'ModelStatistics', { name: 'nobody' }), { code: status.NOT_FOUND });
  });

  it('refuses what is no such message', async () => {
    const stream = new Promise((resolve) => {
      const raw = (client as Message).makeUnaryRequest(
        '/inference.GRPCInferenceService/ModelMetadata',
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.of(0x0a, 0xff),
        resolve,
      );
      raw.on('error', () => {});
    });
    assert.equal(((await stream) as Message).code, status.INVALID_ARGUMENT);
  });

  it('answers UNIMPLEMENTED for a method it does not have', async () => {
    const answer = new Promise((resolve) => {
      const identity = (bytes: Buffer) => bytes;
      const path = '/inference.GRPCInferenceService/TraceSetting';
      (client as Message).makeUnaryRequest(path, identity, identity, Buffer.alloc(0), resolve);
    });
    assert.equal(((await answer) as Message).code, status.UNIMPLEMENTED);
  });
});

describe('the model repository', () => {
  it('lists, unloads and loads models', async () => {
    const indexOf = async (request: object) => {
      const { models } = await ask(client, 'RepositoryIndex', request);
      return models.map(({ name, version, state }: Message) => [name, version, state].join(' '));
    };
    await ask(client, 'RepositoryModelLoad', { model_name: 'demo' });
    assert.deepEqual(await indexOf({ ready: true }).then((all) => all.includes('demo 1 READY')), true);
    await ask(client, 'RepositoryModelUnload', { model_name: 'demo' });
    assert.ok((await indexOf({})).includes('demo 1 UNAVAILABLE'));
    await assert.rejects(ask(client, 'ModelInfer', demoRequest([[1]])), { code: status.UNAVAILABLE });
    await ask(client, 'RepositoryModelLoad', { model_name: 'demo' });
    const answer = await ask(client, 'ModelInfer', demoRequest([[1]]));
    assert.deepEqual(floats(answer.raw_output_contents[1]), [1]);
  });

  it('hands a load with config and files to whom it concerns', async () => {
    const requests: unknown[] = [];
    const loadOverride = async (request: unknown) => void requests.push(request);
    await using server = await startGrpc({ deps: { loadOverride } });
    await ask(connectTo(services.inference, server.address), 'RepositoryModelLoad', {
      model_name: 'demo',
      parameters: {
        config: { string_param: '{"max_batch_size": 4}' },
        'file:1/model.onnx': { bytes_param: Buffer.from('content') },
      },
    });
    const [{ model, config, files }] = requests as Message[];
    assert.deepEqual([model, config], ['demo', { max_batch_size: 4 }]);
    assert.deepEqual(
      [files[0].version, files[0].path, Buffer.from(files[0].bytes).toString()],
      ['1', 'model.onnx', 'content'],
    );
  });

  it('refuses control where it is not allowed, and what it does not know', async () => {
    await using closed = await startGrpc({ deps: { control: 'none' } });
    const other = connectTo(services.inference, closed.address);
    await assert.rejects(ask(other, 'RepositoryModelLoad', { model_name: 'demo' }), { code: status.UNIMPLEMENTED });
    const load = (request: object) => ask(client, 'RepositoryModelLoad', request);
    await assert.rejects(load({}), { code: status.INVALID_ARGUMENT });
    await assert.rejects(load({ model_name: 'nobody' }), { code: status.NOT_FOUND });
    await assert.rejects(load({ model_name: 'broken' }), { code: status.UNAVAILABLE });
    await assert.rejects(load({ model_name: 'demo', repository_name: 'x' }), { code: status.INVALID_ARGUMENT });
    await assert.rejects(load({ model_name: 'demo', parameters: { x: { bool_param: true } } }), {
      code: status.INVALID_ARGUMENT,
      details: /parameters\.x/,
    });
  });
});

describe('grpc.health.v1', () => {
  it('checks the server and its services', async () => {
    const health = connectTo(services.health);
    for (const service of ['', 'inference.GRPCInferenceService']) {
      assert.deepEqual(await ask(health, 'Check', { service }), { status: 'SERVING' });
    }
    await assert.rejects(ask(health, 'Check', { service: 'nobody' }), { code: status.NOT_FOUND });
  });

  it('tells watchers when the state changes, and when the server stops', async () => {
    await using other = await startGrpc();
    const stream = openStream(connectTo(services.health, other.address), 'Watch', { service: '' });
    const seen: string[] = [];
    stream.on('data', (message: Message) => seen.push(message.status));
    const end = new Promise<Message>((resolve) => stream.on('error', resolve));
    await until(() => seen.length === 1);
    other.state = 'draining';
    await until(() => seen.length === 2);
    other.state = 'ready';
    await until(() => seen.length === 3);
    await other.server.close();
    assert.equal((await end).code, status.UNAVAILABLE);
    assert.deepEqual(seen, ['SERVING', 'NOT_SERVING', 'SERVING', 'NOT_SERVING']);
  });

  it('tells a watcher that it does not know a service', async () => {
    const stream = openStream(connectTo(services.health), 'Watch', { service: 'nobody' });
    stream.on('error', () => {});
    const first = await new Promise<Message>((resolve) => stream.once('data', resolve));
    assert.equal(first.status, 'SERVICE_UNKNOWN');
    stream.cancel();
  });
});

describe('server reflection', () => {
  for (const version of ['reflection', 'reflectionAlpha'] as const) {
    it(`answers a client of ${version}`, async () => {
      const stream = openStream(connectTo(services[version]), 'ServerReflectionInfo');
      const answers = collect(stream);
      const symbol = 'inference.GRPCInferenceService';
      const requests = [
        { host: 'h', list_services: '' },
        { file_containing_symbol: symbol },
        { file_containing_symbol: `${symbol}.ModelInfer` },
        { file_by_filename: 'health.proto' },
        { file_containing_symbol: 'no.Such' },
        { file_containing_extension: { containing_type: 'inference.ModelConfig', extension_number: 5 } },
        { all_extension_numbers_of_type: 'inference.ModelConfig' },
        {},
      ];
      for (const request of requests) stream.write(request);
      stream.end();
      const [list, service, method, file, ...rest] = await answers;
      assert.equal(list.valid_host, 'h');
      assert.deepEqual(
        list.list_services_response.service.map(({ name }: Message) => name),
        [
          symbol,
          'grpc.health.v1.Health',
          'grpc.reflection.v1.ServerReflection',
          'grpc.reflection.v1alpha.ServerReflection',
        ],
      );
      assert.deepEqual(filesOf(service), ['open_inference.proto', 'model_config.proto']);
      assert.deepEqual(filesOf(method), ['open_inference.proto', 'model_config.proto']);
      assert.deepEqual(filesOf(file), ['health.proto']);
      assert.equal(service.original_request.file_containing_symbol, symbol);
      assert.deepEqual(
        rest.map((answer) => answer.error_response?.error_code ?? answer.message_response),
        [status.NOT_FOUND, status.NOT_FOUND, 'all_extension_numbers_response', status.INVALID_ARGUMENT],
      );
    });
  }
});

function filesOf(answer: Message): string[] {
  return answer.file_descriptor_response.file_descriptor_proto.map(
    (bytes: Buffer) => fromBinary(FileDescriptorProtoSchema, bytes).name,
  );
}
