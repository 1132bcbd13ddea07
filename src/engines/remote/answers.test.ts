/** Answers that break the protocol, for both readers: every one is a failure that says what was wrong, never a crash or a hang. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Tensor } from '../../core/tensor.ts';
import { GrpcAnswer } from './grpc-answer.ts';
import { ProtoWriter } from './proto-writer.ts';
import { RestAnswer } from './rest-answer.ts';
import type { InferJob } from './transport.ts';
import { UpstreamFailure } from './upstream-failure.ts';

const specs = [{ name: 'y', datatype: 'float32', shape: [-1, 2] }] as const;
const job: InferJob = {
  model: 'm',
  version: '',
  signature: { inputs: [], outputs: specs, skippedOutputs: [] },
  inputs: [],
  outputs: ['y'],
};

interface Written {
  readonly name?: string;
  readonly datatype?: string;
  readonly shape?: readonly number[];
  readonly bytes?: number;
}

const good: Required<Written> = { name: 'y', datatype: 'FP32', shape: [1, 2], bytes: 8 };

function grpc(outputs: readonly Written[], raws = outputs.map(({ bytes = 8 }) => bytes)): Buffer {
  const writer = new ProtoWriter(5, 64);
  writer.text(1, 'm');
  for (const { name = 'y', datatype = 'FP32', shape = [1, 2] } of outputs) {
    const start = writer.open(5);
    writer.text(1, name);
    writer.text(2, datatype);
    writer.packed(3, shape);
    writer.close(start);
  }
  for (const length of raws) {
    writer.bytesHead(6, length);
    writer.bytes(new Uint8Array(length));
  }
  const message = writer.finish();
  message[0] = 0;
  message.writeUInt32BE(message.length - 5, 1);
  return message;
}

function readGrpc(bytes: Buffer): readonly Tensor[] {
  const answer = new GrpcAnswer();
  answer.push(bytes);
  return answer.finish(job);
}

function rest(outputs: readonly Written[]): { head: string; body: Buffer } {
  const head = JSON.stringify({
    outputs: outputs.map(({ name = 'y', datatype = 'FP32', shape = [1, 2], bytes = 8 }) => ({
      name,
      datatype,
      shape,
      parameters: { binary_data_size: bytes },
    })),
  });
  return { head, body: Buffer.alloc(outputs.reduce((sum, { bytes = 8 }) => sum + bytes, 0)) };
}

function readRest({ head, body }: { head: string; body: Buffer }): readonly Tensor[] {
  const answer = new RestAnswer(String(Buffer.byteLength(head)));
  answer.push(Buffer.concat([Buffer.from(head), body]));
  return answer.finish(job);
}

const broken = (pattern: RegExp) => (error: unknown) =>
  error instanceof UpstreamFailure && error.kind === 'broken' && pattern.test(error.message);

describe('answers of an upstream', () => {
  it('are taken when they fit', () => {
    const expected = [{ datatype: 'float32', shape: [1, 2], data: Float32Array.of(0, 0) }];
    assert.deepEqual(readGrpc(grpc([good])), expected);
    assert.deepEqual(readRest(rest([good])), expected);
  });

  it('are refused when an output is missing, of another datatype or rank, or of the wrong size', () => {
    const cases: [Written, RegExp][] = [
      [{ name: 'z' }, /"y" is missing/],
      [{ datatype: 'INT32' }, /int32 of rank 2/],
      [{ datatype: 'BF16' }, /BF16/],
      [{ shape: [2] }, /rank 1/],
      [{ shape: [1, 3] }, /8 bytes where its shape needs 12/],
      [{ shape: [2 ** 40, 2 ** 40] }, /impossible shape/],
      [{ bytes: 7 }, /7 bytes/],
    ];
    for (const [wrong, pattern] of cases) {
      assert.throws(() => readGrpc(grpc([{ ...good, ...wrong }])), broken(pattern), `gRPC ${pattern}`);
      assert.throws(() => readRest(rest([{ ...good, ...wrong }])), broken(pattern), `REST ${pattern}`);
    }
  });

  it('are refused when they are cut off at any byte, or longer than they say', () => {
    const message = grpc([good]);
    for (let end = 0; end < message.length; end++) {
      assert.throws(() => readGrpc(message.subarray(0, end)), broken(/cut off/), `after ${end} bytes`);
    }
    assert.throws(() => readGrpc(Buffer.concat([message, Buffer.of(0)])), broken(/longer/));
    const { head, body } = rest([good]);
    assert.throws(() => readRest({ head, body: body.subarray(1) }), broken(/cut off/));
    assert.throws(() => readRest({ head, body: Buffer.alloc(9) }), broken(/longer/));
  });

  it('are refused when raw contents do not match the outputs, or the message is compressed', () => {
    assert.throws(() => readGrpc(grpc([good], [8, 8])), broken(/1 outputs but 2 raw/));
    const compressed = grpc([good]);
    compressed[0] = 1;
    assert.throws(() => readGrpc(compressed), broken(/compressed/));
  });

  it('that are any bytes end as a failure or as an answer', () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
    const frame = bytes.map((body) => {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(body.length, 1);
      return Buffer.concat([prefix, body]);
    });
    const value = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constantFrom('FP32', 'BYTES', 'INT64', 'y', 8, 4));
    const fields = fc.constantFrom('name', 'datatype', 'shape', 'data', 'parameters', 'binary_data_size');
    const output = fc.oneof(value, fc.dictionary(fields, fc.oneof(value, fc.dictionary(fields, value))));
    const nearly = fc.array(output, { maxLength: 3 }).map((outputs) => JSON.stringify({ outputs }));
    const attempt = (read: () => unknown): void => {
      try {
        read();
      } catch (error) {
        assert.ok(error instanceof UpstreamFailure, String(error));
      }
    };
    fc.assert(
      fc.property(fc.oneof(bytes, frame), (given) => {
        attempt(() => readGrpc(given));
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.json(), nearly), bytes, (head, body) => {
        attempt(() => readRest({ head, body }));
      }),
    );
  });
});
