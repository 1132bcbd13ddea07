import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TensorSpec } from '../../core/tensor.ts';
import type { Shapes } from './trial-shapes.ts';
import { guessShapes } from './trial-shapes.ts';

const input = (name: string, ...shape: number[]): TensorSpec => ({ name, datatype: 'float32', shape });
const guesses = (inputs: TensorSpec[], symbols: (string | undefined)[][]): Shapes[] => [
  ...guessShapes(inputs, symbols),
];

describe('guessShapes', () => {
  it('gives one guess with one row where only the batch is variable', () => {
    assert.deepEqual(guesses([input('x', -1, 4), input('y', 3)], [['N', undefined], [undefined]]), [[[1, 4], [3]]]);
  });

  it('gives the same size to dimensions of the same name, over all inputs', () => {
    for (const [ids, mask] of guesses(
      [input('ids', -1, -1), input('mask', -1, -1)],
      [
        ['b', 't'],
        ['b', 't'],
      ],
    )) {
      assert.deepEqual(ids, mask);
    }
  });

  it('keeps the batch symbol at 1 wherever it appears', () => {
    for (const [state] of guesses(
      [input('state', 2, -1, 8), input('x', -1, 4)],
      [
        [undefined, 'b'],
        ['b', undefined],
      ],
    )) {
      assert.deepEqual(state, [2, 1, 8]);
    }
  });

  it('varies unnamed dimensions one by one too', () => {
    const found = guesses(
      [input('x', -1, -1), input('state', 2, -1, 128)],
      [
        ['', ''],
        [undefined, '', undefined],
      ],
    );
    assert.ok(found.some(([x, state]) => x![1] === 512 && state![1] === 1));
  });

  it('starts pictures at 224 and stays within its limit', () => {
    const found = guesses([input('image', -1, 3, -1, -1)], [['N', undefined, 'H', 'W']]);
    assert.deepEqual(found[0], [[1, 3, 224, 224]]);
    assert.ok(found.length <= 150);
  });
});
