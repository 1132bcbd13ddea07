import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { bfloat16ToFloat, floatToHalf, smallFloatTable } from './small-floats.ts';

describe('small floats', () => {
  it('have the values of their standards', () => {
    const at = (name: Parameters<typeof smallFloatTable>[0], ...patterns: number[]) =>
      patterns.map((pattern) => smallFloatTable(name)[pattern]);
    const tiny = 2 ** -24;
    assert.deepEqual(at('float16', 0x3c00, 0xc000, 0x7bff, 1, 0x8000, 0x7c00), [
      1,
      -2,
      65504,
      tiny,
      -0,
      Number.POSITIVE_INFINITY,
    ]);
    assert.deepEqual(at('float8e4m3fn', 0x38, 0x7e, 0x7f, 0x01, 0xff), [1, 448, Number.NaN, 2 ** -9, Number.NaN]);
    assert.deepEqual(at('float8e4m3fnuz', 0x40, 0x7f, 0x80), [1, 240, Number.NaN]);
    assert.deepEqual(at('float8e5m2', 0x3c, 0x7b, 0x7c, 0xfc), [
      1,
      57344,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]);
    assert.deepEqual(at('float8e5m2fnuz', 0x40, 0x7f, 0x80), [1, 57344, Number.NaN]);
    assert.deepEqual(
      [...smallFloatTable('float4e2m1')],
      [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6],
    );
    assert.deepEqual([0x3f80, 0xc020, 0x7f80].map(bfloat16ToFloat), [1, -2.5, Number.POSITIVE_INFINITY]);
  });

  it('take every float16 to float32 and back', () => {
    const table = smallFloatTable('float16');
    for (const [pattern, value] of table.entries()) {
      if (!Number.isNaN(value)) assert.equal(floatToHalf(value), pattern);
    }
    assert.equal(floatToHalf(Number.NaN) & 0x7fff, 0x7e00);
  });

  it('round to the nearest float16, and to the even one of two', () => {
    const table = smallFloatTable('float16');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7bfe }), fc.double({ min: 0, max: 1, noNaN: true }), (pattern, share) => {
        const [low, high] = [table[pattern]!, table[pattern + 1]!];
        const value = Math.fround(low + (high - low) * share);
        const nearest =
          value - low === high - value ? pattern + (pattern % 2) : pattern + (value - low < high - value ? 0 : 1);
        assert.equal(floatToHalf(value), nearest);
        assert.equal(floatToHalf(-value), nearest | 0x8000);
      }),
    );
    assert.equal(floatToHalf(65519), 0x7bff);
    assert.equal(floatToHalf(65520), 0x7c00);
  });
});
