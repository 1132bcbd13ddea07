import assert from 'node:assert/strict';
import { test } from 'node:test';
import { float16Text, float32Text, float64Text } from './number-text.ts';

test('NaN and infinities are strings in every float type', () => {
  for (const print of [float32Text, float64Text]) {
    assert.deepEqual([NaN, Infinity, -Infinity].map(print), ['"NaN"', '"Infinity"', '"-Infinity"']);
  }
  assert.deepEqual([0x7e00, 0x7c00, 0xfc00].map(float16Text), ['"NaN"', '"Infinity"', '"-Infinity"']);
});

test('float32 values are printed short and read back to the same value', () => {
  const cases: [number, string][] = [
    [Math.fround(0.1), '0.1'],
    [-0, '-0.0'],
    [16777216, '16777216'],
    [Math.fround(3.4028234663852886e38), '3.4028234663852886e+38'],
    [Math.fround(1.401298464324817e-45), '1.401298464324817e-45'],
  ];
  for (const [value, text] of cases) {
    assert.equal(float32Text(value), text);
    assert.ok(Object.is(Math.fround(JSON.parse(text)), value), text);
  }
});
