/** Predictions over gRPC with grpc-js as client: contents, outputs, sizes, compression. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { compressionAlgorithms, Metadata, status } from '@grpc/grpc-js';
import { ask, type Client, connect, demoRequest, floats, type Message, rawRequest } from './support/grpc-client.ts';
import { identityModel, startGrpc, type TestServer } from './support/grpc-harness.ts';

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

  it('reads and writes gzip', async () => {
    const zipped = connect(server.address, undefined, undefined, {
      'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
    });
    const row = Array.from({ length: 5000 }, (_, index) => index % 7);
    const answer = await ask(zipped, 'ModelInfer', rawRequest([row]));
    assert.deepEqual(floats(answer.raw_output_contents[0]), row);
    zipped.close();
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
