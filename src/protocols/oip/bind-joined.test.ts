import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Tensor } from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import type { FeatureRow } from '../../ports/feature-source.ts';
import { jsonCall } from './infer-call.ts';

const none = new Uint8Array();
const target = { model: 'm', version: undefined };
const limits = { maxDims: 8, maxInputs: 16 };
const model: ModelView = {
  name: 'm',
  version: '1',
  signature: {
    inputs: [
      { name: 'age', datatype: 'float32', shape: [-1, 1] },
      { name: 'big', datatype: 'int64', shape: [-1, 1] },
      { name: 'city', datatype: 'string', shape: [-1, 1] },
    ],
    outputs: [],
    skippedOutputs: [],
  },
  batchable: true,
  labels: undefined,
  nan: 'reject',
};

const age = (rows = 1, name = 'age') => ({ name, datatype: 'FP32', shape: [rows, 1], data: new Array(rows).fill(30) });

function decode(inputs: unknown, fetched: FeatureRow | undefined, entity: unknown = 'user:42'): readonly Tensor[] {
  const call = jsonCall({ inputs, parameters: { entity } }, none, target, limits);
  assert.deepEqual(call.entities, [entity]);
  call.join!([fetched]);
  return call.decode(model);
}

const row = { age: 31, big: '9007199254740993', city: 'Rome' };

describe('the parameter entity', () => {
  it('brings the inputs that the request leaves out', () => {
    const tensors = decode([age()], row);
    assert.deepEqual(
      tensors.map(({ shape, data }) => [shape, ...data]),
      [
        [[1, 1], 30],
        [[1, 1], 9007199254740993n],
        [[1, 1], 'Rome'],
      ],
    );
  });

  it('brings all of them, and none', () => {
    assert.deepEqual([...decode([], row)[0]!.data], [31]);
    const all = [
      age(),
      { name: 'city', datatype: 'BYTES', shape: [1, 1], data: ['Oslo'] },
      { name: 'big', datatype: 'INT64', shape: [1, 1], data: [1] },
    ];
    assert.deepEqual(
      decode(all, {}).map(({ data }) => data[0]),
      [30, 1n, 'Oslo'],
    );
  });

  it('is absent otherwise, and other parameters still pass', () => {
    const call = jsonCall({ inputs: [age()], parameters: { other: 1 } }, none, target, limits);
    assert.equal(call.entities, undefined);
    assert.equal(call.join, undefined);
  });

  const wrong = (name: string, run: () => unknown, message: RegExp, field: string) =>
    it(`says what is wrong: ${name}`, () => {
      assert.throws(run, (error: Error & { code: string; details: { field: string } }) => {
        assert.equal(error.code, 'INVALID_INPUT');
        assert.match(error.message, message);
        assert.equal(error.details.field, field);
        return true;
      });
    });
  wrong(
    'no name',
    () => decode([age()], row, ''),
    /^parameters\.entity: expected text of 1 to 512/,
    'parameters.entity',
  );
  wrong(
    'a number',
    () => decode([age()], row, 42),
    /^parameters\.entity: expected text .* got number 42/,
    'parameters.entity',
  );
  wrong('unknown', () => decode([age()], undefined), /^There is no entity "user:42"\.$/, 'parameters.entity');
  wrong('rows', () => decode([age(2)], row), /^inputs\.age\.shape: expected one row beside/, 'inputs.age.shape');
  wrong(
    'an unknown input',
    () => decode([age(1, 'agee')], row),
    /^Unknown input "agee"; the model has: "age", "big"/,
    'inputs.agee',
  );
  wrong('an input twice', () => decode([age(), age()], row), /^inputs\.age: expected each input once/, 'inputs.age');
  wrong(
    'a fetched value',
    () => decode([age()], { ...row, big: 1.5 }),
    /^features\.big: expected a 64-bit integer, got number 1\.5 \(from the source of features, entity "user:42"\)$/,
    'features.big',
  );
  wrong(
    'a missing value',
    () => decode([age()], { big: 1 }),
    /^Missing input "city": .* the source of features has none for the entity "user:42"$/,
    'features.city',
  );
  wrong(
    'no inputs without it',
    () => jsonCall({ inputs: [] }, none, target, limits),
    /^inputs: expected a list of at least one/,
    'inputs',
  );
});
