/** Predictions over gRPC that are refused: which status and sentence the client gets. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { HotpathError } from '../../src/core/errors.ts';
import { ask, type Client, connect, demoRequest, floats, type Message, rawRequest } from './support/grpc-client.ts';
import { startGrpc, type TestServer } from './support/grpc-harness.ts';
import { until } from './support/until.ts';

describe('ModelInfer', () => {
  let server: TestServer;
  let client: Client;

  before(async () => {
    server = await startGrpc({
      models: {
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

  const input = { name: 'features', datatype: 'FP32', shape: [1, 2], contents: { fp32_contents: [1, 2] } };
  const wrong: readonly (readonly [string, object, number, RegExp])[] = [
    ['no model name', { inputs: [input] }, status.INVALID_ARGUMENT, /model_name/],
    ['an unknown model', { model_name: 'nobody', inputs: [input] }, status.NOT_FOUND, /nobody/],
    [
      'an unknown version',
      { model_name: 'demo', model_version: '9', inputs: [input] },
      status.NOT_FOUND,
      /version "9"/,
    ],
    ['a model that cannot be loaded', { model_name: 'broken', inputs: [input] }, status.UNAVAILABLE, /operator/],
    ['a failing run', { model_name: 'failing', inputs: [input] }, status.INVALID_ARGUMENT, /told to fail/],
    ['no inputs', { model_name: 'demo' }, status.INVALID_ARGUMENT, /features/],
    ['an unknown input', { model_name: 'demo', inputs: [{ ...input, name: 'x' }] }, status.INVALID_ARGUMENT, /"x"/],
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
      /8 bytes/,
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

  it('refuses a message beyond the limit and serves the next', async () => {
    await using small = await startGrpc({ config: { grpcMaxMessageBytes: 1000 } });
    const other = connect(small.address);
    const large = ask(other, 'ModelInfer', rawRequest([new Array(1000).fill(1)]));
    await assert.rejects(large, { code: status.RESOURCE_EXHAUSTED, details: /at most 1000/ });
    const answer = await ask(other, 'ModelInfer', rawRequest([[1, 2]]));
    assert.deepEqual(floats(answer.raw_output_contents[1]), [3]);
    await until(() => small.inFlight.total === 0);
    assert.deepEqual(small.requests, ['grpc - PAYLOAD_TOO_LARGE', 'grpc demo OK']);
    other.close();
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
});
