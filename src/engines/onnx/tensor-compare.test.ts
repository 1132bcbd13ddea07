import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Tensor } from '../../core/tensor.ts';
import { difference, halfToNumber, joinRows, splitRows } from './tensor-compare.ts';

const floats = (...values: number[]): Tensor => ({
  datatype: 'float32',
  shape: [1, values.length],
  data: Float32Array.from(values),
});

describe('tensor comparison', () => {
  it('counts rounding as equal and more than that as different', () => {
    assert.equal(difference(floats(1, 1000), floats(1.00005, 1000.05)), 0);
    assert.ok(difference(floats(1), floats(1.001)) > 1);
    assert.equal(difference(floats(Number.NaN, Infinity), floats(Number.NaN, Infinity)), 0);
    assert.equal(difference(floats(Number.NaN), floats(1)), Infinity);
    assert.equal(difference(floats(Infinity), floats(-Infinity)), Infinity);
  });

  it('compares integers and strings exactly, halves by value', () => {
    const ints = (value: bigint): Tensor => ({ datatype: 'int64', shape: [1], data: BigInt64Array.of(value) });
    assert.equal(difference(ints(2n ** 60n), ints(2n ** 60n + 1n)), Infinity);
    assert.equal(
      difference({ datatype: 'string', shape: [1], data: ['a'] }, { datatype: 'string', shape: [1], data: ['b'] }),
      Infinity,
    );
    const half = (bits: number): Tensor => ({ datatype: 'float16', shape: [1], data: Uint16Array.of(bits) });
    assert.equal(difference(half(0x3c00), half(0x3c01)), 0);
    assert.ok(difference(half(0x3c00), half(0x4000)) > 1);
  });

  it('reads half floats', () => {
    assert.deepEqual([0x3c00, 0xc000, 0x7bff, 1, 0x7c00].map(halfToNumber), [1, -2, 65504, 2 ** -24, Infinity]);
    assert.ok(Number.isNaN(halfToNumber(0x7e00)));
  });

  it('joins rows and splits them again', () => {
    const rows = [floats(1, 2), floats(3, 4), floats(5, 6)];
    const joined = joinRows(rows);
    assert.deepEqual(joined, { datatype: 'float32', shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) });
    assert.deepEqual(splitRows(joined), rows);
    const words = joinRows(['a', 'b'].map((text): Tensor => ({ datatype: 'string', shape: [1], data: [text] })));
    assert.deepEqual(words, { datatype: 'string', shape: [2], data: ['a', 'b'] });
  });
});
