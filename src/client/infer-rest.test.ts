/** Requests and answers against the server's own reader and writer: every tensor arrives as it was. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NamedTensor, Tensor } from '../core/tensor.ts';
import { jsonCall, type OipCall } from '../protocols/oip/infer-call.ts';
import { readInferJson } from '../protocols/oip/infer-json.ts';
import { splitBody } from '../protocols/oip/split-body.ts';
import { anyTensor, modelView, response } from '../protocols/oip/testing/oip-fixtures.ts';
import { writeResponse } from '../protocols/oip/write-response.ts';
import { HotpathClientError } from './client-error.ts';
import { decodeInferAnswer } from './infer-answer.ts';
import { inferCallOf } from './infer-api.ts';
import { type BinaryMode, encodeInferRequest, type InferCall } from './infer-request.ts';
import type { LooseInput } from './tensors.ts';

const limits = { maxInputs: 8, maxDims: 8 };
const target = { model: 'model', version: undefined };

/** Names that objects and JSON are not harmless for included. */
const name = fc.oneof(
  fc.constantFrom('__proto__', 'x', 'constructor', '"\\'),
  fc.string({ minLength: 1, maxLength: 8 }),
);

const tensors: fc.Arbitrary<NamedTensor[]> = fc
  .uniqueArray(name, { minLength: 1, maxLength: 4 })
  .chain((names) =>
    fc.tuple(...names.map((each) => anyTensor.map((tensor): NamedTensor => ({ name: each, ...tensor })))),
  );

const hasNoJsonForm = (list: readonly Tensor[]) => list.some(({ datatype }) => datatype === 'float16');

function inputsOf(list: readonly NamedTensor[]): Record<string, LooseInput> {
  return Object.fromEntries(list.map((tensor) => [tensor.name, tensor]));
}

/** As the server reads it. */
function received(call: InferCall, binary: BinaryMode, timeoutMs?: number): OipCall {
  const { body, jsonBytes } = encodeInferRequest(call, binary, timeoutMs);
  const { json, binary: tail } = splitBody(Buffer.from(body as Uint8Array), jsonBytes?.toString(), 1e9);
  return jsonCall(readInferJson(json!, 100), tail, target, limits, json!);
}

function decoded(call: OipCall, list: readonly NamedTensor[]): readonly Tensor[] {
  return call.decode(modelView(list.map(({ name, datatype, shape }) => ({ name, datatype, shape }))));
}

const plain = ({ datatype, shape, data }: Tensor): Tensor => ({ datatype, shape, data });

describe('encodeInferRequest', () => {
  it('writes what the server reads as the same tensors, for every datatype, as bytes and as JSON', () => {
    fc.assert(
      fc.property(tensors, fc.constantFrom<BinaryMode>('always', 'never', 'auto'), (list, binary) => {
        fc.pre(binary !== 'never' || !hasNoJsonForm(list));
        const call = inferCallOf(inputsOf(list), {});
        assert.deepEqual(decoded(received(call, binary), list), list.map(plain));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps the digits of 64-bit extremes in JSON that is too long for the exact reader', () => {
    const data = new BigInt64Array(20_000).fill(-(2n ** 63n));
    data[1] = 5n;
    const list: NamedTensor[] = [{ name: 'x', datatype: 'int64', shape: [20_000], data }];
    assert.deepEqual(decoded(received(inferCallOf(inputsOf(list), {}), 'never'), list), list.map(plain));
  });

  it('puts every tensor at a multiple of its element size', () => {
    const list: NamedTensor[] = [
      { name: 'flags', datatype: 'uint8', shape: [3], data: Uint8Array.of(1, 2, 3) },
      { name: 'wide', datatype: 'float64', shape: [2], data: Float64Array.of(1, 2) },
      { name: 'narrow', datatype: 'int16', shape: [1], data: Int16Array.of(7) },
    ];
    const { body, jsonBytes } = encodeInferRequest(inferCallOf(inputsOf(list), {}), 'always', undefined);
    assert.equal(jsonBytes! % 8, 0);
    const bytes = Buffer.from(body as Uint8Array);
    assert.deepEqual([bytes.readDoubleLE(jsonBytes), bytes.readDoubleLE(jsonBytes! + 8)], [1, 2]);
    assert.equal(bytes.readInt16LE(jsonBytes! + 16), 7);
  });

  it('sends few numbers as JSON and many as bytes, unless told otherwise', () => {
    const of = (count: number, binary: BinaryMode) =>
      typeof encodeInferRequest(
        inferCallOf({ x: { shape: [count], data: new Float32Array(count) } }, {}),
        binary,
        undefined,
      ).body;
    assert.deepEqual([of(4, 'auto'), of(1000, 'auto')], ['string', 'object']);
    assert.deepEqual([of(4, 'always'), of(1000, 'never')], ['object', 'string']);
  });

  it('says id, outputs, priority and the deadline in the words of the protocol', () => {
    const call = inferCallOf(
      { x: { shape: [1], data: Float32Array.of(1) } },
      { id: 'a"b', outputs: ['y', 'z'], priority: 2, parameters: { custom: 'yes' } },
    );
    const oip = received(call, 'auto', 12.3456);
    assert.equal(oip.plan.id, 'a"b');
    assert.deepEqual(oip.outputs, ['y', 'z']);
    assert.equal(oip.priority, 2);
    assert.equal(oip.timeoutMs, 12.346);
    assert.equal(oip.plan.binary, true);
  });

  it('refuses what cannot be sent, naming the input', () => {
    const refused = (input: LooseInput, binary: BinaryMode = 'auto') => {
      try {
        encodeInferRequest(inferCallOf({ x: input }, {}), binary, undefined);
      } catch (error) {
        assert.ok(error instanceof HotpathClientError);
        assert.equal(error.code, 'INVALID_INPUT');
        return error.message;
      }
      return assert.fail('not refused');
    };
    assert.match(refused({ shape: [2, 2], data: Float32Array.of(1) }), /inputs\.x\.data: expected 4 elements .*got 1/);
    assert.match(refused({ datatype: 'int8', shape: [1], data: Float32Array.of(1) }), /for int8, got one for float32/);
    assert.match(refused({ shape: [1], data: new Set() as never }), /expected a typed array or a list of strings/);
    const half: LooseInput = { datatype: 'float16', shape: [1], data: Uint16Array.of(0) };
    assert.match(refused(half, 'never'), /FP16 has no JSON form/);
  });
});

describe('decodeInferAnswer', () => {
  const plan = (binary: boolean) => ({ id: 'seven', binary, outputs: undefined });

  it('reads what the server writes as the same tensors, for every datatype, from bytes and from JSON', () => {
    fc.assert(
      fc.property(tensors, fc.boolean(), (list, binary) => {
        fc.pre(binary || !hasNoJsonForm(list));
        const { headers, body } = writeResponse(plan(binary), response(modelView([], { outputs: list }), list));
        const length = headers[headers.indexOf('inference-header-content-length') + 1];
        const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.concat(body);
        const answer = decodeInferAnswer(bytes, typeof body === 'string' ? undefined : Number(length));
        assert.deepEqual([answer.model, answer.version, answer.id], ['model', '1', 'seven']);
        assert.deepEqual(
          Object.entries(answer.outputs),
          Object.entries(Object.fromEntries(list.map((tensor) => [tensor.name, plain(tensor)]))),
        );
      }),
      { numRuns: 300 },
    );
  });

  const read = (text: string) => decodeInferAnswer(Buffer.from(text), undefined);
  const one = (output: string) => read(`{"model_name":"m","outputs":[${output}]}`).outputs.y!;

  it('reads nested lists, as other servers may answer', () => {
    const { data } = one('{"name":"y","datatype":"FP32","shape":[2,2],"data":[[1,2],[3,4]]}');
    assert.deepEqual(data, Float32Array.of(1, 2, 3, 4));
  });

  it('tells an answer that breaks the protocol from a good one', () => {
    const wrong: readonly (readonly [() => unknown, RegExp])[] = [
      [() => read('<html>'), /no JSON/],
      [() => read('null'), /no inference response/],
      [() => read('{"model_name":"m"}'), /no inference response/],
      [
        () => one('{"name":"y","datatype":"FP32","shape":[3],"data":[1]}'),
        /output y has 1 elements; its shape needs 3/,
      ],
      [() => one('{"name":"y","datatype":"FP32"}'), /no inference response/],
      [() => one('{"name":"y","datatype":"BF16","shape":[0],"data":[]}'), /unknown datatype BF16/],
      [() => one('{"name":"y","datatype":"INT64","shape":[1],"data":["x"]}'), /no integer/],
      [() => one('{"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}'), /cut off/],
    ];
    for (const [act, message] of wrong) {
      assert.throws(
        act,
        (error: HotpathClientError) => error.code === 'INVALID_RESPONSE' && message.test(error.message),
      );
    }
  });
});
