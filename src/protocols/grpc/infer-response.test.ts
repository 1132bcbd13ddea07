import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { allocate, type Datatype, datatypes, type NamedTensor, type TensorData } from '../../core/tensor.ts';
import { type Frame, joinFrame, prefixBytes, sealFrame } from './frame.ts';
import { encodeInferResponse, encodeStreamError, type InferAnswer } from './infer-response.ts';
import { decodeReference } from './testing/proto-json.ts';

const tensor = (name: string, datatype: Datatype, shape: number[], data: TensorData): NamedTensor => ({
  name,
  datatype,
  shape,
  data,
});

const answerOf = (outputs: readonly NamedTensor[], more: Partial<InferAnswer> = {}): InferAnswer => ({
  model: 'demo',
  version: '3',
  id: '',
  parameters: undefined,
  outputs,
  ...more,
});

/** As another implementation reads it, after a check of the frame around it. */
function read(frame: Frame, type = 'ModelInferResponse') {
  const bytes = Buffer.concat(sealFrame(frame, false));
  assert.equal(bytes.length, prefixBytes + frame.length);
  assert.equal(bytes[0], 0);
  assert.equal(bytes.readUInt32BE(1), frame.length);
  assert.deepEqual(Buffer.from(joinFrame(frame)), bytes.subarray(prefixBytes));
  return decodeReference(type, bytes.subarray(prefixBytes));
}

const bytesOf = (data: Exclude<TensorData, string[]>) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

describe('encodeInferResponse', () => {
  it('writes what another implementation reads, for every datatype and size', () => {
    const output = fc
      .record({ datatype: fc.constantFrom(...datatypes), count: fc.oneof(fc.nat(20), fc.nat(9000)), name: fc.string() })
      .map(({ datatype, count, name }) => {
        const data = allocate(datatype, count);
        if (Array.isArray(data)) for (let index = 0; index < count; index++) data[index] = `ü${index}`;
        else bytesOf(data).fill(datatype === 'bool' ? 1 : 0x35);
        return tensor(name, datatype, [count], data);
      });
    fc.assert(
      fc.property(fc.array(output, { maxLength: 4 }), fc.string(), fc.boolean(), (outputs, id, wrapped) => {
        const envelope = wrapped ? 'stream-response' : 'response';
        const frame = encodeInferResponse(answerOf(outputs, { id }), envelope, false);
        const message = read(frame, wrapped ? 'ModelStreamInferResponse' : 'ModelInferResponse');
        const response = wrapped ? message.infer_response : message;
        assert.equal(response.model_name, 'demo');
        assert.equal(response.id ?? '', id);
        assert.deepEqual(
          (response.outputs ?? []).map(({ name = '', shape }: { name?: string; shape: string[] }) => [name, shape]),
          outputs.map(({ name, shape }) => [name, shape.map(String)]),
        );
        const expected = outputs.map(({ data }) =>
          Array.isArray(data)
            ? Buffer.concat(data.flatMap((text) => [lengthOf(text), Buffer.from(text)])).toString('base64')
            : bytesOf(data).toString('base64'),
        );
        assert.deepEqual(response.raw_output_contents ?? [], expected);
      }),
      { numRuns: 100 },
    );
  });

  it('writes typed contents that another implementation reads as the same numbers', () => {
    const outputs = [
      tensor('a', 'float32', [3], Float32Array.of(1.5, -0, 3)),
      tensor('b', 'float64', [1], Float64Array.of(Math.PI)),
      tensor('c', 'int64', [3], BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 0n)),
      tensor('d', 'uint64', [1], BigUint64Array.of(2n ** 64n - 1n)),
      tensor('e', 'int8', [2], Int8Array.of(-128, 127)),
      tensor('f', 'int32', [2], Int32Array.of(-(2 ** 31), 2 ** 31 - 1)),
      tensor('g', 'uint32', [2], Uint32Array.of(0, 2 ** 32 - 1)),
      tensor('h', 'bool', [2], Uint8Array.of(1, 0)),
      tensor('i', 'string', [2], ['', 'ü']),
      tensor('j', 'uint16', [0], new Uint16Array(0)),
    ];
    const { outputs: read_, raw_output_contents: raw } = read(encodeInferResponse(answerOf(outputs), 'response', true));
    assert.equal(raw, undefined);
    assert.deepEqual(
      read_.map(({ contents }: { contents?: object }) => Object.values(contents ?? {})[0] ?? []),
      [
        [1.5, -0, 3],
        [Math.PI],
        ['-9223372036854775808', '9223372036854775807', '0'],
        ['18446744073709551615'],
        [-128, 127],
        [-(2 ** 31), 2 ** 31 - 1],
        [0, 2 ** 32 - 1],
        [true, false],
        ['', Buffer.from('ü').toString('base64')],
        [],
      ],
    );
  });

  it('writes thousands of typed varints', () => {
    const data = BigInt64Array.from({ length: 10_000 }, (_, index) => BigInt(index) * -987654321n);
    const frame = encodeInferResponse(answerOf([tensor('a', 'int64', [10_000], data)]), 'response', true);
    assert.deepEqual(read(frame).outputs[0].contents.int64_contents, [...data].map(String));
  });

  it('sends large tensors from where they are', () => {
    const data = new Float32Array(100_000).fill(7);
    const outputs = [tensor('big', 'float32', [100_000], data), tensor('small', 'float32', [1], Float32Array.of(1))];
    const frame = encodeInferResponse(answerOf(outputs), 'response', false);
    assert.equal(frame.chunks.length, 3);
    assert.equal(frame.chunks[1]!.buffer, data.buffer);
    assert.equal(read(frame).raw_output_contents[1], Buffer.of(0, 0, 0x80, 0x3f).toString('base64'));
  });

  it('sends only the rows of an output that shares its memory with others', () => {
    const whole = Float32Array.of(1, 2, 3, 4);
    const frame = encodeInferResponse(answerOf([tensor('a', 'float32', [2], whole.subarray(2))]), 'response', false);
    assert.equal(read(frame).raw_output_contents[0], bytesOf(Float32Array.of(3, 4)).toString('base64'));
  });

  it('writes parameters of every kind', () => {
    const parameters = { flag: true, count: 5, big: 2n ** 63n, text: '', half: 0.5, less: -1 };
    assert.deepEqual(read(encodeInferResponse(answerOf([], { parameters }), 'response', false)).parameters, {
      flag: { bool_param: true },
      count: { int64_param: '5' },
      big: { uint64_param: '9223372036854775808' },
      text: { string_param: '' },
      half: { double_param: 0.5 },
      less: { int64_param: '-1' },
    });
  });

  it('writes the error of a stream with the id of its request', () => {
    const text = `wrong ${'ü'.repeat(300)}`;
    assert.deepEqual(read(encodeStreamError(text, 'seven'), 'ModelStreamInferResponse'), {
      error_message: text,
      infer_response: { id: 'seven' },
    });
  });
});

function lengthOf(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.byteLength(text));
  return length;
}
