/** The gateway's codecs against the server's own, which were written apart: what one writes the other reads, byte for byte. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type NamedTensor, type Signature, type Tensor, tensorBytes } from '../../src/core/tensor.ts';
import { GrpcAnswer } from '../../src/engines/remote/grpc-answer.ts';
import { encodeInferRequest, prefixBytes } from '../../src/engines/remote/grpc-request.ts';
import { RestAnswer } from '../../src/engines/remote/rest-answer.ts';
import { encodeRestRequest } from '../../src/engines/remote/rest-request.ts';
import type { InferJob } from '../../src/engines/remote/transport.ts';
import { sealFrame } from '../../src/protocols/grpc/frame.ts';
import { decodeInferRequest } from '../../src/protocols/grpc/infer-request.ts';
import { encodeInferResponse } from '../../src/protocols/grpc/infer-response.ts';
import { bindInputs } from '../../src/protocols/oip/bind-inputs.ts';
import { readJsonRequest } from '../../src/protocols/oip/read-json-request.ts';
import type { OipRequest } from '../../src/protocols/oip/request.ts';
import { anyTensor, modelView, response, tensorOf } from '../../src/protocols/oip/testing/oip-fixtures.ts';
import { writeResponse } from '../../src/protocols/oip/write-response.ts';

const limits = { maxInputs: 64, maxDims: 16, maxElements: 1e9 };
/** Also tensors that are sent as chunks of their own, and names of more than one byte of length. */
const large = tensorOf('float32').map((tensor): Tensor => {
  const data = new Float32Array(5000);
  data.set((tensor.data as Float32Array).subarray(0, 4));
  return { datatype: 'float32', shape: [50, 100], data };
});
const names = ['x', 'ü'.repeat(70), 'a"b\\c'];
const tensors = fc.array(fc.oneof(anyTensor, large), { minLength: 1, maxLength: 3 });
const cuts = fc.array(fc.nat(1000), { maxLength: 12 });

function signatureOf(given: readonly Tensor[]): Signature {
  const specs = given.map(({ datatype, shape }, index) => ({
    name: names[index]!,
    datatype,
    shape: shape.map(() => -1),
  }));
  return { inputs: specs, outputs: specs, skippedOutputs: [] };
}

function jobOf(inputs: readonly Tensor[]): InferJob {
  const signature = signatureOf(inputs);
  return { model: 'm', version: '7', signature, inputs, outputs: signature.outputs.map(({ name }) => name) };
}

function named(given: readonly Tensor[]): NamedTensor[] {
  return given.map((tensor, index) => ({ ...tensor, name: names[index]! }));
}

/** In pieces of the given sizes, the rest at the end. */
function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const parts: Buffer[] = [];
  let start = 0;
  for (const size of sizes) {
    parts.push(bytes.subarray(start, start + size));
    start += size;
  }
  return [...parts, bytes.subarray(start)];
}

function checkBound(request: OipRequest, inputs: readonly Tensor[]): void {
  assert.equal(request.model, 'm');
  assert.equal(request.version, '7');
  assert.deepEqual(
    request.outputs?.map(({ name }) => name),
    names.slice(0, inputs.length),
  );
  const view = modelView(signatureOf(inputs).inputs);
  const bound = bindInputs(request, view, { maxDims: 16 } as Parameters<typeof bindInputs>[2]);
  assert.deepEqual(bound, inputs);
}

describe('codecs of the gateway and of the server', () => {
  it('agree on requests over gRPC', () => {
    fc.assert(
      fc.property(tensors, (inputs) => {
        const bytes = Buffer.concat(encodeInferRequest(jobOf(inputs)));
        assert.equal(bytes[0], 0);
        assert.equal(bytes.readUInt32BE(1), bytes.length - prefixBytes);
        checkBound(decodeInferRequest(bytes.subarray(prefixBytes), limits), inputs);
      }),
    );
  });

  it('agree on requests over REST', () => {
    fc.assert(
      fc.property(tensors, (inputs) => {
        const { path, chunks, headBytes, totalBytes } = encodeRestRequest(jobOf(inputs), 12.5);
        const bytes = Buffer.concat(chunks);
        assert.equal(path, '/v2/models/m/versions/7/infer');
        assert.equal(bytes.length, totalBytes);
        const json = JSON.parse(bytes.subarray(0, headBytes).toString('utf8'));
        const target = { model: 'm', version: '7' };
        const request = readJsonRequest(json, bytes.subarray(headBytes), target, limits);
        assert.equal(request.parameters?.timeout, 12_500);
        checkBound(request, inputs);
      }),
    );
  });

  it('agree on answers over gRPC, raw and typed, however the bytes are cut', () => {
    fc.assert(
      fc.property(tensors, cuts, fc.boolean(), (outputs, sizes, typed) => {
        const answer = { model: 'm', version: '7', id: 'i', parameters: { n: 1, s: 'x' }, outputs: named(outputs) };
        const bytes = Buffer.concat(sealFrame(encodeInferResponse(answer, 'response', typed), false));
        const reader = new GrpcAnswer();
        for (const piece of pieces(bytes, sizes)) reader.push(piece);
        assert.deepEqual(reader.finish(jobOf(outputs)), outputs);
      }),
    );
  });

  it('agree on answers over REST, binary however the bytes are cut, and JSON', () => {
    fc.assert(
      fc.property(tensors, cuts, (outputs, sizes) => {
        const plan = { id: 'i', outputs: undefined, binary: true } as unknown as Parameters<typeof writeResponse>[0];
        const { headers, body } = writeResponse(plan, response(modelView([]), named(outputs)));
        const reader = new RestAnswer(headers[headers.indexOf('inference-header-content-length') + 1]);
        for (const piece of pieces(Buffer.concat(body as Uint8Array[]), sizes)) reader.push(piece);
        assert.deepEqual(reader.finish(jobOf(outputs)), outputs);
      }),
    );
    const numbers = fc.oneof(tensorOf('float32'), tensorOf('int16'), tensorOf('bool'), tensorOf('string'));
    fc.assert(
      fc.property(numbers, cuts, (output, sizes) => {
        const plan = { id: 'i', outputs: undefined, binary: false } as unknown as Parameters<typeof writeResponse>[0];
        const { body } = writeResponse(plan, response(modelView([]), named([output])));
        const reader = new RestAnswer(undefined);
        for (const piece of pieces(Buffer.from(body as string), sizes)) reader.push(piece);
        assert.deepEqual(reader.finish(jobOf([output])), [output]);
      }),
    );
  });

  it('do not copy a large tensor on its way out', () => {
    const data = new Float32Array(150_000);
    const job = jobOf([{ datatype: 'float32', shape: [1, 150_000], data }]);
    for (const chunks of [encodeInferRequest(job), encodeRestRequest(job, 1000).chunks]) {
      assert.ok(
        chunks.some((chunk) => chunk.buffer === data.buffer && chunk.byteLength === tensorBytes(job.inputs[0]!)),
      );
    }
  });
});
