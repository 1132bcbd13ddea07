/** Predictions over gRPC with grpc-js as client: contents, outputs, errors, sizes, deadlines, cancellation, compression. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { compressionAlgorithms, Metadata, status } from '@grpc/grpc-js';
import { HotpathError } from '../../src/core/errors.ts';
import type { InferCall } from '../../src/core/types.ts';
import { ask, type Client, connect, demoRequest, floats, type Message, rawRequest } from './support/grpc-client.ts';
import { identityModel, startGrpc, type TestServer } from './support/grpc-harness.ts';
import { framed, openSession, send } from './support/grpc-raw.ts';
import { until } from './support/until.ts';

describe('ModelInfer', () => {
  let server: TestServer;
  let client: Client;

  before(async () => {
    server = await startGrpc({
      models: {
        ids: identityModel('int64', 'uint64'),
        small: identityModel('int8', 'uint16', 'bool'),
        text: identityModel('string'),
        half: identityModel('float16'),
        wide: {},
        failing: { outcome: () => 'fail' },
        broken: { broken: 'No such operator.' },
      },
    });
    client = connect(server.address);
  });

  after(async () => {
    client.close();
    await server[Symbol.asyncDispose]();
  });

  it('answers typed contents with raw outputs and echoes the id', async () => {
    const answer = await ask(
      client,
      'ModelInfer',
      demoRequest(
        [
          [1, 2],
          [3, 4],
        ],
        { id: 'seven' },
      ),
    );
    assert.equal(answer.model_name, 'demo');
    assert.equal(answer.model_version, '1');
    assert.equal(answer.id, 'seven');
    assert.deepEqual(
      answer.outputs.map(({ name, datatype, shape }: Message) => [name, datatype, shape]),
      [
        ['features_copy', 'FP32', ['2', '2']],
        ['row_sum', 'FP32', ['2']],
      ],
    );
    assert.deepEqual(answer.raw_output_contents.map(floats), [
      [1, 2, 3, 4],
      [3, 7],
    ]);
  });

  it('answers raw contents the same', async () => {
    const typed = await ask(
      client,
      'ModelInfer',
      demoRequest([
        [1.5, -0],
        [Number.NaN, Number.POSITIVE_INFINITY],
      ]),
    );
    const raw = await ask(
      client,
      'ModelInfer',
      rawRequest([
        [1.5, -0],
        [Number.NaN, Number.POSITIVE_INFINITY],
      ]),
    );
    assert.deepEqual(raw, typed);
    assert.deepEqual(floats(raw.raw_output_contents[0]), [1.5, -0, Number.NaN, Number.POSITIVE_INFINITY]);
  });

  it('answers with typed contents when told not to send bytes', async () => {
    const parameters = { binary_data_output: { bool_param: false } };
    const answer = await ask(client, 'ModelInfer', demoRequest([[1, 2]], { parameters }));
    assert.deepEqual(answer.raw_output_contents, []);
    assert.deepEqual(
      answer.outputs.map(({ contents }: Message) => contents.fp32_contents),
      [[1, 2], [3]],
    );
  });

  it('answers only the outputs asked for, in the order asked', async () => {
    const outputs = [{ name: 'row_sum' }, { name: 'features_copy' }];
    const answer = await ask(client, 'ModelInfer', rawRequest([[1, 2]], { outputs }));
    assert.deepEqual(
      answer.outputs.map(({ name }: Message) => name),
      ['row_sum', 'features_copy'],
    );
    assert.deepEqual(answer.raw_output_contents.map(floats), [[3], [1, 2]]);
    const one = await ask(client, 'ModelInfer', rawRequest([[1, 2]], { outputs: outputs.slice(0, 1) }));
    assert.deepEqual(one.raw_output_contents.map(floats), [[3]]);
  });

  it('keeps 64-bit integers exact, typed and raw', async () => {
    const signed = ['-9223372036854775808', '9223372036854775807', '-1'];
    const unsigned = ['18446744073709551615', '0', '9007199254740993'];
    const answer = await ask(client, 'ModelInfer', {
      model_name: 'ids',
      parameters: { binary_data_output: { bool_param: false } },
      inputs: [
        { name: 'uint64', datatype: 'UINT64', shape: [1, 3], contents: { uint64_contents: unsigned } },
        { name: 'int64', datatype: 'INT64', shape: [1, 3], contents: { int64_contents: signed } },
      ],
    });
    assert.deepEqual(answer.outputs[0].contents.int64_contents, signed);
    assert.deepEqual(answer.outputs[1].contents.uint64_contents, unsigned);
  });

  it('narrows 8- and 16-bit integers and refuses those that do not fit', async () => {
    const request = (int8: number[]) => ({
      model_name: 'small',
      parameters: { binary_data_output: { bool_param: false } },
      inputs: [
        { name: 'int8', datatype: 'INT8', shape: [1, 2], contents: { int_contents: int8 } },
        { name: 'uint16', datatype: 'UINT16', shape: [1, 2], contents: { uint_contents: [0, 65535] } },
        { name: 'bool', datatype: 'BOOL', shape: [1, 2], contents: { bool_contents: [true, false] } },
      ],
    });
    const answer = await ask(client, 'ModelInfer', request([-128, 127]));
    assert.deepEqual(
      answer.outputs.map(({ contents: c }: Message) => [c.int_contents, c.uint_contents, c.bool_contents]),
      [
        [[-128, 127], [], []],
        [[], [0, 65535], []],
        [[], [], [true, false]],
      ],
    );
    await assert.rejects(ask(client, 'ModelInfer', request([-129, 0])), {
      code: status.INVALID_ARGUMENT,
      details: /int8/,
    });
  });

  it('carries strings both ways', async () => {
    const texts = ['', 'plain', 'ünïcode 🦊'];
    const elements = texts.map((text) => Buffer.from(text));
    const input = { name: 'string', datatype: 'BYTES', shape: [1, 3] };
    const typed = await ask(client, 'ModelInfer', {
      model_name: 'text',
      inputs: [{ ...input, contents: { bytes_contents: elements } }],
    });
    const raw = await ask(client, 'ModelInfer', {
      model_name: 'text',
      inputs: [input],
      raw_input_contents: typed.raw_output_contents,
      parameters: { binary_data_output: { bool_param: false } },
    });
    assert.deepEqual(raw.outputs[0].contents.bytes_contents, elements);
  });

  it('carries float16 as bytes, even when told not to', async () => {
    const bits = Buffer.from(Uint16Array.of(0x3c00, 0x0001, 0x7e00).buffer);
    const answer = await ask(client, 'ModelInfer', {
      model_name: 'half',
      inputs: [{ name: 'float16', datatype: 'FP16', shape: [1, 3] }],
      raw_input_contents: [bits],
      parameters: { binary_data_output: { bool_param: false } },
    });
    assert.deepEqual(answer.raw_output_contents, [bits]);
  });

  const input = { name: 'features', datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [1, 2] } };
  const wrong: readonly (readonly [string, object, number, RegExp])[] = [
    ['no model name', { inputs: [input] }, status.INVALID_ARGUMENT, /model_name/],
    ['an unknown model', { model_name: 'nobody', inputs: [input] }, status.NOT_FOUND, /nobody/],
    ['an unknown version', { model_name: 'demo', model_version: '9', inputs: [input] }, status.NOT_FOUND, /9/],
    ['a model that cannot be loaded', { model_name: 'broken', inputs: [input] }, status.UNAVAILABLE, /operator/],
    ['a failing run', { model_name: 'failing', inputs: [input] }, status.INVALID_ARGUMENT, /./],
    ['no inputs', { model_name: 'demo' }, status.INVALID_ARGUMENT, /features/],
    ['an unknown input', { model_name: 'demo', inputs: [{ ...input, name: 'x' }] }, status.INVALID_ARGUMENT, /x/],
    ['an input twice', { model_name: 'demo', inputs: [input, input] }, status.INVALID_ARGUMENT, /features/],
    [
      'a wrong datatype',
      { model_name: 'demo', inputs: [{ ...input, datatype: 'INT32' }] },
      status.INVALID_ARGUMENT,
      /FP32/,
    ],
    ['BF16', { model_name: 'demo', inputs: [{ ...input, datatype: 'BF16' }] }, status.INVALID_ARGUMENT, /BF16/],
    [
      'too few elements',
      { model_name: 'demo', inputs: [{ ...input, shape: [1, 3] }] },
      status.INVALID_ARGUMENT,
      /3 elements/,
    ],
    [
      'a negative dimension',
      { model_name: 'demo', inputs: [{ ...input, shape: [-1, -2] }] },
      status.INVALID_ARGUMENT,
      /shape/,
    ],
    [
      'dimensions that overflow',
      { model_name: 'demo', inputs: [{ ...input, shape: ['4611686018427387904', 8] }] },
      status.INVALID_ARGUMENT,
      /shape/,
    ],
    [
      'too many dimensions',
      { model_name: 'demo', inputs: [{ ...input, shape: new Array(17).fill(1) }] },
      status.INVALID_ARGUMENT,
      /16 dimensions/,
    ],
    ['too many inputs', { model_name: 'demo', inputs: new Array(300).fill(input) }, status.INVALID_ARGUMENT, /inputs/],
    [
      'contents of another kind',
      { model_name: 'demo', inputs: [{ ...input, contents: { int_contents: [1, 2] } }] },
      status.INVALID_ARGUMENT,
      /fp32_contents/,
    ],
    [
      'two kinds of contents',
      { model_name: 'demo', inputs: [{ ...input, contents: { int_contents: [1], fp32_contents: [1, 2] } }] },
      status.INVALID_ARGUMENT,
      /one is expected/,
    ],
    [
      'raw and typed contents',
      { model_name: 'demo', inputs: [input], raw_input_contents: [Buffer.alloc(8)] },
      status.INVALID_ARGUMENT,
      /mixed/,
    ],
    [
      'raw contents for some inputs',
      { model_name: 'demo', inputs: [], raw_input_contents: [Buffer.alloc(8)] },
      status.INVALID_ARGUMENT,
      /raw_input_contents/,
    ],
    [
      'raw contents of a wrong size',
      { ...rawRequest([[1, 2]]), raw_input_contents: [Buffer.alloc(7)] },
      status.INVALID_ARGUMENT,
      /8/,
    ],
    ['an unknown output', demoRequest([[1]], { outputs: [{ name: 'nope' }] }), status.INVALID_ARGUMENT, /nope/],
    [
      'an output twice',
      demoRequest([[1]], { outputs: [{ name: 'row_sum' }, { name: 'row_sum' }] }),
      status.INVALID_ARGUMENT,
      /row_sum/,
    ],
    [
      'a parameter without value',
      demoRequest([[1]], { parameters: { a: {} } }),
      status.INVALID_ARGUMENT,
      /parameters\.a/,
    ],
    [
      'a priority of a wrong type',
      demoRequest([[1]], { parameters: { priority: { string_param: 'high' } } }),
      status.INVALID_ARGUMENT,
      /priority/,
    ],
    [
      'shared memory',
      {
        model_name: 'demo',
        inputs: [
          {
            name: 'features',
            datatype: 'FP32',
            shape: [1, 2],
            parameters: { shared_memory_region: { string_param: 'r' } },
          },
        ],
      },
      status.UNIMPLEMENTED,
      /memory/,
    ],
  ];
  for (const [what, request, code, details] of wrong) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(ask(client, 'ModelInfer', request), (error: Message) => {
        assert.equal(error.code, code, error.details);
        assert.match(error.details, details);
        return true;
      });
    });
  }

  it('carries a tensor of 4 MB and one of 63 MB, bit by bit', async () => {
    for (const megabytes of [4, 63]) {
      const bytes = Buffer.alloc(megabytes * 1024 * 1024);
      for (let index = 0; index < bytes.length; index += 4) bytes.writeUInt32LE((index * 2654435761) >>> 2, index);
      const answer = await ask(client, 'ModelInfer', {
        model_name: 'wide',
        inputs: [{ name: 'features', datatype: 'FP32', shape: [1, bytes.length / 4] }],
        raw_input_contents: [bytes],
        outputs: [{ name: 'features_copy' }],
      });
      assert.ok(bytes.equals(answer.raw_output_contents[0]));
    }
  });

  it('refuses a message beyond the limit and serves the next', async () => {
    await using small = await startGrpc({ config: { grpcMaxMessageBytes: 1000 } });
    const other = connect(small.address);
    const large = ask(other, 'ModelInfer', rawRequest([new Array(1000).fill(1)]));
    await assert.rejects(large, { code: status.RESOURCE_EXHAUSTED, details: /at most 1000/ });
    const answer = await ask(other, 'ModelInfer', rawRequest([[1, 2]]));
    assert.deepEqual(floats(answer.raw_output_contents[1]), [3]);
    assert.equal(small.inFlight.total, 0);
    assert.deepEqual(small.requests, ['grpc - PAYLOAD_TOO_LARGE', 'grpc demo OK']);
    other.close();
  });

  it('reads and writes gzip', async () => {
    const zipped = connect(server.address, undefined, undefined, {
      'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
    });
    const row = Array.from({ length: 5000 }, (_, index) => index % 7);
    const answer = await ask(zipped, 'ModelInfer', rawRequest([row]));
    assert.deepEqual(floats(answer.raw_output_contents[0]), row);
    zipped.close();
  });

  it('drops a request when its deadline passes at the client', async () => {
    await using stuck = await startGrpc({ deps: { infer: waitForCancel } });
    const other = connect(stuck.address);
    const late = ask(other, 'ModelInfer', demoRequest([[1]]), { deadline: Date.now() + 500 });
    await assert.rejects(late, { code: status.DEADLINE_EXCEEDED });
    await until(() => stuck.requests.length === 1);
    assert.deepEqual(stuck.requests, ['grpc - CANCELLED']);
    assert.equal(stuck.inFlight.total, 0);
    other.close();
  });

  it('tells the core when the client cancels', async () => {
    const calls: InferCall[] = [];
    const infer = (call: InferCall) => {
      calls.push(call);
      return waitForCancel(call);
    };
    await using stuck = await startGrpc({ deps: { infer } });
    const other = connect(stuck.address);
    const answer = new Promise<Message>((resolve) => {
      const method = other.ModelInfer as (request: object, done: (error: Message) => void) => { cancel(): void };
      const call = method.call(other, demoRequest([[1]]), resolve);
      until(() => calls.length === 1).then(() => call.cancel());
    });
    assert.equal((await answer).code, status.CANCELLED);
    await until(() => calls[0]!.cancel!.cancelled);
    assert.equal(stuck.inFlight.total, 0);
    assert.deepEqual(stuck.requests, ['grpc - CANCELLED']);
    other.close();
  });

  it('tells the core when the connection is lost', async () => {
    await using stuck = await startGrpc({ deps: { infer: waitForCancel } });
    const session = await openSession(stuck.port);
    const lost = send(session, framed(Buffer.from([10, 4, ...Buffer.from('demo')])));
    await until(() => stuck.inFlight.total === 1);
    session.destroy();
    assert.equal((await lost).grpcStatus, undefined);
    await until(() => stuck.inFlight.total === 0);
    assert.deepEqual(stuck.requests, ['grpc - CANCELLED']);
  });

  it('answers DEADLINE_EXCEEDED by itself when the core says so', async () => {
    const late = async () => Promise.reject(new HotpathError('DEADLINE_EXCEEDED', 'Waited too long.'));
    await using server = await startGrpc({ deps: { infer: late } });
    const other = connect(server.address);
    const answer = ask(other, 'ModelInfer', demoRequest([[1]]));
    await assert.rejects(answer, { code: status.DEADLINE_EXCEEDED, details: 'Waited too long.' });
    other.close();
  });

  it('takes the smaller of the deadline and the timeout parameter', async () => {
    const parameters = { timeout: { int64_param: 2_000_000 }, priority: { uint64_param: 2 } };
    await ask(client, 'ModelInfer', demoRequest([[1]], { parameters }), { deadline: Date.now() + 30_000 });
    assert.equal(server.calls.at(-1)!.timeoutMs, 2000);
    assert.equal(server.calls.at(-1)!.priority, 1);
  });

  it('says when to come back on overload, and hides what is ours', async () => {
    const errors = [
      new HotpathError('OVERLOADED', 'Too much: 100 % “full”.', { retryAfterSeconds: 0.25 }),
      new Error('secret /path/to/file'),
    ];
    await using failing = await startGrpc({ deps: { infer: async () => Promise.reject(errors.shift()) } });
    const other = connect(failing.address);
    await assert.rejects(ask(other, 'ModelInfer', demoRequest([[1]])), (error: Message) => {
      assert.equal(error.code, status.RESOURCE_EXHAUSTED);
      assert.equal(error.details, 'Too much: 100 % “full”.');
      assert.deepEqual(error.metadata.get('grpc-retry-pushback-ms'), ['250']);
      return true;
    });
    await assert.rejects(ask(other, 'ModelInfer', demoRequest([[1]])), (error: Message) => {
      assert.equal(error.code, status.INTERNAL);
      assert.doesNotMatch(error.details, /secret/);
      return true;
    });
    assert.equal(failing.logs.filter(({ level }) => level === 'error').length, 1);
    other.close();
  });

  it('refuses what exceeds the requests in flight', async () => {
    await using narrow = await startGrpc({ config: { maxInFlight: 0 } });
    const other = connect(narrow.address);
    const refused = ask(other, 'ModelInfer', demoRequest([[1]]));
    await assert.rejects(refused, { code: status.RESOURCE_EXHAUSTED, details: /in progress/ });
    other.close();
  });

  it('ignores metadata it does not know', async () => {
    const metadata = new Metadata();
    metadata.set('x-anything', 'value');
    metadata.set('blob-bin', Buffer.of(1, 2, 3));
    const answer = await ask(client, 'ModelInfer', demoRequest([[1]]), { metadata });
    assert.deepEqual(floats(answer.raw_output_contents[1]), [1]);
  });

  it('answers 2000 calls at once, each with its own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 2000 }, (_, index) => ask(client, 'ModelInfer', rawRequest([[index, 1]]))),
    );
    assert.deepEqual(
      answers.map((answer) => floats(answer.raw_output_contents[1])[0]),
      answers.map((_, index) => index + 1),
    );
  });
});

/** A prediction that ends only when its client leaves. */
function waitForCancel(call: InferCall): Promise<never> {
  return new Promise((_, reject) => {
    call.cancel!.onCancel = () => reject(new HotpathError('CANCELLED', 'The client left.'));
  });
}
