import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { HotpathError } from '../core/errors.ts';
import { datatypes, elementBytes } from '../core/tensor.ts';
import { decodeModel } from './decode.ts';
import { encodeModel } from './encode.ts';
import type { Attribute, Node, OnnxModel, TensorLiteral } from './model.ts';
import * as onnx from './model.ts';

const float32Data = (...values: number[]) => new Float32Array(values);

/** y = Gemm(features [batch, 2], weights^T, bias) * alpha: uses a float, an int and a negative value. */
function gemmModel(): OnnxModel {
  return onnx.makeModel({
    opsets: [{ domain: '', version: 13 }],
    graph: {
      name: 'gemm',
      nodes: [
        onnx.makeNode('Gemm', ['features', 'weights', 'bias'], ['sums'], {
          alpha: onnx.float(0.5),
          transB: onnx.int(1),
        }),
        onnx.makeNode('Softmax', ['sums'], ['probabilities'], { axis: onnx.int(-1) }),
      ],
      initializers: [
        onnx.makeTensor('weights', 'float32', [3, 2], float32Data(1, 2, 3, 4, 5, 6)),
        onnx.makeTensor('bias', 'float32', [3], float32Data(-1, 0, 1)),
      ],
      inputs: [onnx.makeValueInfo('features', 'float32', ['batch', 2])],
      outputs: [
        onnx.makeValueInfo('sums', 'float32', ['batch', 3]),
        onnx.makeValueInfo('probabilities', 'float32', ['batch', 3]),
      ],
    },
  });
}

async function runModel(model: OnnxModel, feeds: Record<string, ort.Tensor>): Promise<ort.InferenceSession.ReturnType> {
  const session = await ort.InferenceSession.create(encodeModel(model), { intraOpNumThreads: 1 });
  const results = await session.run(feeds);
  await session.release();
  return results;
}

describe('written models in ONNX Runtime', () => {
  it('compute the right numbers for a symbolic number of rows', async () => {
    const results = await runModel(gemmModel(), { features: new ort.Tensor('float32', [2, 4, 0, 0], [2, 2]) });
    assert.deepEqual([...(results.sums!.data as Float32Array)], [4, 11, 18, -1, 0, 1]);
    assert.deepEqual(results.probabilities!.dims, [2, 3]);
    const [, , , low, , high] = results.probabilities!.data as Float32Array;
    assert.ok(Math.abs(high! / low! - Math.E ** 2) < 1e-4);
  });

  it('carry their signature', async () => {
    const session = await ort.InferenceSession.create(encodeModel(gemmModel()));
    assert.deepEqual(session.inputMetadata, [
      { name: 'features', isTensor: true, type: 'float32', shape: ['batch', 2] },
    ]);
    assert.deepEqual(session.outputNames, ['sums', 'probabilities']);
    await session.release();
  });

  it('accept tensor, string, list and scalar attributes', async () => {
    const constant = (name: string, value: Attribute, key: string): Node =>
      onnx.makeNode('Constant', [], [name], { [key]: value });
    const wide = onnx.makeTensor('', 'int64', [2], new BigInt64Array([-(2n ** 63n), 7n]));
    const results = await runModel(
      onnx.makeModel({
        opsets: [{ domain: '', version: 13 }],
        graph: {
          name: 'constants',
          nodes: [
            constant('wide', onnx.tensor(wide), 'value'),
            constant('ints', onnx.ints([-1, 2n ** 62n]), 'value_ints'),
            constant('floats', onnx.floats([0.25, -8]), 'value_floats'),
            constant('texts', onnx.strings(['a', 'ü']), 'value_strings'),
            constant('scalar', onnx.float(2.5), 'value_float'),
            onnx.makeNode('DepthToSpace', ['image'], ['moved'], { blocksize: onnx.int(2), mode: onnx.string('CRD') }),
          ],
          initializers: [onnx.makeTensor('image', 'float32', [1, 4, 1, 1], float32Data(1, 2, 3, 4))],
          inputs: [],
          outputs: [
            onnx.makeValueInfo('wide', 'int64', [2]),
            onnx.makeValueInfo('ints', 'int64', [2]),
            onnx.makeValueInfo('floats', 'float32', [2]),
            onnx.makeValueInfo('texts', 'string', [2]),
            onnx.makeValueInfo('scalar', 'float32', []),
            onnx.makeValueInfo('moved', 'float32', [1, 1, 2, 2]),
          ],
        },
      }),
      {},
    );
    const data = Object.fromEntries(Object.entries(results).map(([name, value]) => [name, [...(value.data as never)]]));
    assert.deepEqual(data, {
      wide: [-(2n ** 63n), 7n],
      ints: [-1n, 2n ** 62n],
      floats: [0.25, -8],
      texts: ['a', 'ü'],
      scalar: [2.5],
      moved: [1, 2, 3, 4],
    });
  });
});

describe('makeTensor', () => {
  it('refuses data that does not fit the dims or the datatype', () => {
    assert.throws(() => onnx.makeTensor('w', 'float32', [2, 2], float32Data(1)), { code: 'INVALID_INPUT' });
    assert.throws(() => onnx.makeTensor('w', 'int64', [1], float32Data(1)), { code: 'INVALID_INPUT' });
  });
});

/** Objects like those the decoder makes, with the usual prototype. */
function plainRecord<T extends object>(arbitraries: { [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> {
  return fc.record(arbitraries, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const name = fc.string({ unit: 'grapheme', maxLength: 8 });
const dims = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 });
const literal: fc.Arbitrary<TensorLiteral> = plainRecord({
  name,
  datatype: fc.constantFrom(...datatypes.filter((datatype) => datatype !== 'string')),
  dims,
}).chain((head) => {
  const size = head.dims.reduce((count, dim) => count * dim, elementBytes[head.datatype]);
  return fc.uint8Array({ minLength: size, maxLength: size }).map((raw) => ({ ...head, raw }));
});
const float32 = fc.float({ noNaN: true });
const integer = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, -(2n ** 53n)));
const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  float32.map(onnx.float),
  integer.map(onnx.int),
  name.map(onnx.string),
  fc.array(float32).map(onnx.floats),
  fc.array(integer).map(onnx.ints),
  fc.array(name).map(onnx.strings),
  literal.map(onnx.tensor),
);
const node: fc.Arbitrary<Node> = plainRecord({
  name,
  opType: name,
  domain: name,
  inputs: fc.array(name, { maxLength: 3 }),
  outputs: fc.array(name, { maxLength: 3 }),
  attributes: fc.dictionary(name, attribute, { maxKeys: 3, noNullPrototype: true }),
});
const valueInfo = plainRecord({
  name,
  datatype: fc.constantFrom(...datatypes),
  dims: fc.array(fc.oneof(fc.nat(), name), { maxLength: 4 }),
});
const model: fc.Arbitrary<OnnxModel> = plainRecord({
  irVersion: fc.nat(20),
  producer: name,
  opsets: fc.array(plainRecord({ domain: name, version: fc.nat(30) }), { maxLength: 3 }),
  graph: plainRecord({
    name,
    nodes: fc.array(node, { maxLength: 3 }),
    initializers: fc.array(literal, { maxLength: 3 }),
    inputs: fc.array(valueInfo, { maxLength: 2 }),
    outputs: fc.array(valueInfo, { maxLength: 2 }),
  }),
});

describe('decodeModel', () => {
  it('gives back any encoded model', () => {
    fc.assert(fc.property(model, (value) => assert.deepEqual(decodeModel(encodeModel(value)), value)));
  });

  it('reads a damaged file or refuses it with INVALID_INPUT', () => {
    const good = encodeModel(gemmModel());
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.boolean(), (offset, byte, cut) => {
        const bytes = cut ? good.slice(0, offset) : good.with(offset, byte);
        try {
          decodeModel(bytes);
        } catch (error) {
          assert.ok(error instanceof HotpathError && error.code === 'INVALID_INPUT', String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
