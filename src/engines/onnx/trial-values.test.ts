import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../core/seeded-random.ts';
import { datatypes } from '../../core/tensor.ts';
import { halfToNumber } from './tensor-compare.ts';
import { randomTensor } from './trial-values.ts';

describe('randomTensor', () => {
  it('fills every datatype, with values that differ', () => {
    const random = seededRandom(3);
    for (const datatype of datatypes) {
      const { data, shape } = randomTensor(datatype, [4, 16], 1, random);
      assert.deepEqual(shape, [4, 16]);
      assert.equal(data.length, 64);
      assert.ok(new Set<unknown>(data).size > 1, datatype);
    }
  });

  it('keeps whole numbers at 0 or 1 at scale 1, and within the datatype at any scale', () => {
    const random = seededRandom(4);
    for (const datatype of ['int8', 'uint8', 'int32', 'int64', 'uint64', 'bool'] as const) {
      assert.deepEqual([...new Set(Array.from(randomTensor(datatype, [64], 1, random).data, Number))].sort(), [0, 1]);
      const most = datatype === 'bool' ? 1 : 1000;
      for (const value of randomTensor(datatype, [64], 1000, random).data) {
        assert.ok(Number(value) >= 0 && Number(value) <= most);
      }
    }
  });

  it('keeps half floats finite and of the wanted size', () => {
    const random = seededRandom(5);
    for (const bits of randomTensor('float16', [256], 100, random).data as Uint16Array) {
      const size = Math.abs(halfToNumber(bits));
      assert.ok(size > 1 && size < 512, String(size));
    }
  });

  it('makes scalars and empty tensors', () => {
    assert.equal(randomTensor('float32', [], 1, seededRandom(1)).data.length, 1);
    assert.equal(randomTensor('string', [0, 3], 1, seededRandom(1)).data.length, 0);
  });
});
