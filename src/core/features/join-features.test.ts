import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InferCall } from '../types.ts';
import { joinFeatures } from './join-features.ts';

function call(): InferCall & { readonly joined: unknown[] } {
  const joined: unknown[] = [];
  return {
    model: 'm',
    decode: () => [],
    entities: ['a'],
    timeoutMs: 30,
    joined,
    join: (rows) => void joined.push(...rows),
  };
}

describe('joining features', () => {
  it('is done at once when they are known', () => {
    const asked = call();
    assert.equal(joinFeatures({ getMany: () => [{ age: 1 }] }, asked, 'm'), undefined);
    assert.deepEqual(asked.joined, [{ age: 1 }]);
  });

  it('waits for them otherwise, as long as the request does', async () => {
    const asked = call();
    let seen: unknown[] = [];
    const getMany = async (...args: unknown[]) => {
      seen = args;
      return [undefined];
    };
    await joinFeatures({ getMany }, asked, 'm');
    assert.deepEqual(asked.joined, [undefined]);
    assert.deepEqual(seen, [['a'], 30, undefined]);
  });

  it('needs a model that has a source', () => {
    assert.throws(() => joinFeatures(undefined, call(), 'm'), {
      code: 'INVALID_INPUT',
      message: 'The model "m" has no source of features ("features" in its model.json); send the values themselves.',
      details: { field: 'entity', expected: 'nothing' },
    });
  });
});
