/** Requests that name entities, from the parsed body to tensors; the features come from a table here. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HotpathError } from '../../core/errors.ts';
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import type { FeatureRow } from '../../ports/feature-source.ts';
import { type PayloadKind, readPredictBody } from './predict-body.ts';
import { PredictCall } from './predict-call.ts';

const any: readonly PayloadKind[] = ['inputs', 'features', 'instances'];
const limits = { maxDims: 8, maxInputs: 16, maxJsonDepth: 32 };

const known: Readonly<Record<string, FeatureRow>> = {
  'user:42': { age: 31, city: 'Rome' },
  'user:7': { age: 64, city: 'Oslo' },
  odd: { age: 'old', city: 'Bonn' },
  half: { age: 5 },
};

const spec = (name: string, datatype: TensorSpec['datatype']): TensorSpec => ({ name, datatype, shape: [-1, 1] });

function view(inputs = [spec('age', 'float32'), spec('city', 'string')]): ModelView {
  return {
    name: 'm',
    version: '1',
    signature: { inputs, outputs: [], skippedOutputs: [] },
    batchable: true,
    labels: undefined,
    nan: 'reject',
  };
}

function decode(body: unknown, model = view(), kinds = any): { tensors: readonly Tensor[]; rows: number } {
  const call = new PredictCall(readPredictBody(body, kinds, 16), undefined, limits);
  call.join?.(call.entities!.map((entity) => known[entity]));
  return { tensors: call.decode(model), rows: call.rows };
}

const plain = ({ tensors }: { tensors: readonly Tensor[] }) =>
  tensors.map(({ shape, data }) => [shape, Array.from(data as ArrayLike<unknown>)]);

describe('a request that names an entity', () => {
  it('has its features', () => {
    assert.deepEqual(plain(decode({ entity: 'user:42' })), [
      [[1, 1], [31]],
      [[1, 1], ['Rome']],
    ]);
  });

  it('has its own features over them', () => {
    assert.deepEqual(plain(decode({ features: { age: 30 }, entity: 'user:42' })), [
      [[1, 1], [30]],
      [[1, 1], ['Rome']],
    ]);
  });

  it('may be a batch, with own features by row or without', () => {
    const bare = decode({ entities: ['user:42', 'user:7'] });
    assert.equal(bare.rows, 2);
    assert.deepEqual(plain(bare), [
      [
        [2, 1],
        [31, 64],
      ],
      [
        [2, 1],
        ['Rome', 'Oslo'],
      ],
    ]);
    const own = decode({ entities: ['user:42', 'user:7'], instances: [{}, { age: 30, city: 'Pisa' }] });
    assert.deepEqual(plain(own), [
      [
        [2, 1],
        [31, 30],
      ],
      [
        [2, 1],
        ['Rome', 'Pisa'],
      ],
    ]);
  });

  it('works for models with one input, and with one called entity', () => {
    assert.deepEqual(plain(decode({ entity: 'user:42' }, view([spec('age', 'float32')]))), [[[1, 1], [31]]]);
    assert.deepEqual(plain(decode({ features: { entity: 'x' } }, view([spec('entity', 'string')]))), [[[1, 1], ['x']]]);
    assert.deepEqual(
      plain(
        decode(
          { entity: 'user:42', features: { entity: 'x' } },
          view([spec('age', 'float32'), spec('entity', 'string')]),
        ),
      ),
      [
        [[1, 1], [31]],
        [[1, 1], ['x']],
      ],
    );
  });

  it('makes no closure for requests without', () => {
    const call = new PredictCall(readPredictBody({ features: [1] }, any, 16), undefined, limits);
    assert.equal(call.join, undefined);
    assert.equal(call.entities, undefined);
  });
});

describe('the sentences about entities', () => {
  const one: readonly PayloadKind[] = ['features', 'inputs'];
  const many: readonly PayloadKind[] = ['instances'];
  const cases: readonly (readonly [string, unknown, RegExp, string, (readonly PayloadKind[])?])[] = [
    [
      'no text',
      { entity: 42 },
      /^entity: expected text of 1 to 512 characters without control characters, got number 42$/,
      'entity',
    ],
    ['empty', { entity: '' }, /^entity: expected text/, 'entity'],
    ['too long', { entity: 'x'.repeat(513) }, /^entity: expected text/, 'entity'],
    ['control characters', { entity: 'a\r\nb' }, /^entity: expected text/, 'entity'],
    ['no list', { entities: 'a' }, /^entities: expected a list of 1 to 1000 entities, got string "a"$/, 'entities'],
    ['none', { entities: [] }, /^entities: expected a list of 1 to 1000 entities, got a list of 0$/, 'entities'],
    ['too many', { entities: new Array(1001).fill('a') }, /got a list of 1001$/, 'entities'],
    ['a wrong one', { entities: ['a', null] }, /^entities\[1\]: expected text .* got null$/, 'entities[1]'],
    ['both', { entity: 'a', entities: ['a'] }, /has both "entity" and "entities"; give one/, 'entities'],
    ['with inputs', { entity: 'a', inputs: {} }, /must have "features" or nothing beside "entity"/, 'entity'],
    ['with instances', { entity: 'a', instances: [] }, /must have "features" or nothing beside "entity"/, 'entity'],
    [
      'with features',
      { entities: ['a'], features: {} },
      /must have "instances" or nothing beside "entities"/,
      'entities',
    ],
    ['two payloads', { entity: 'a', features: {}, inputs: {} }, /or nothing beside "entity"/, 'entity'],
    ['batch route', { entity: 'a' }, /^"entity" is not taken here; expected "entities"\.$/, 'entity', many],
    [
      'one-row route',
      { entities: ['a'] },
      /expected "entity"; rows go to \/api\/v1\/predict\/batch\.$/,
      'entities',
      one,
    ],
    ['unknown', { entity: 'nobody' }, /^There is no entity "nobody"\.$/, 'entity'],
    ['unknown in a batch', { entities: ['user:42', 'nobody'] }, /^There is no entity "nobody"\.$/, 'entities[1]'],
    [
      'own features no object',
      { entity: 'user:42', features: [1] },
      /^features: expected an object by input name beside an entity, got a list of 1$/,
      'features',
    ],
    ['own features unknown', { entity: 'user:42', features: { agee: 1 } }, /^Unknown input "agee"/, 'features.agee'],
    [
      'rows of another number',
      { entities: ['user:42', 'half'], instances: [{}] },
      /^instances: expected as many rows as entities, 2, got a list of 1$/,
      'instances',
    ],
    [
      'a row no object',
      { entities: ['user:42'], instances: [[1]] },
      /^instances\[0\]: expected an object by input name/,
      'instances[0]',
    ],
    [
      'own value wrong',
      { entity: 'user:42', features: { age: 'x' } },
      /^features\.age: expected a number, got string "x"$/,
      'features.age',
    ],
    [
      'fetched value wrong',
      { entity: 'odd' },
      /^features\.age: expected a number, got string "old" \(from the source of features, entity "odd"\)$/,
      'features.age',
    ],
    [
      'fetched value wrong in a batch',
      { entities: ['user:42', 'odd'] },
      /^instances\[1\]\.age: expected a number, got string "old" \(from the source of features, entity "odd"\)$/,
      'instances[1].age',
    ],
    [
      'fetched value missing',
      { entity: 'half' },
      /^Missing input "city": expected it at features\.city; the source of features has none for the entity "half"$/,
      'features.city',
    ],
    [
      'fetched value missing in a batch',
      { entities: ['user:42', 'half'], instances: [{}, {}] },
      /^Missing input "city": expected it at instances\[1\]\.city; the source/,
      'instances[1].city',
    ],
  ];
  for (const [name, body, message, field, kinds] of cases) {
    it(`name the field: ${name}`, () => {
      assert.throws(
        () => decode(body, view(), kinds),
        (error: HotpathError) => {
          assert.equal(error.code, 'INVALID_INPUT');
          assert.match(error.message, message);
          assert.equal(error.details!.field, field);
          return true;
        },
      );
    });
  }
});
