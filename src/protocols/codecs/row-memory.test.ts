import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { takeFloats } from './row-memory.ts';

test('rows taken one after the other never share a place, whatever their sizes', () => {
  const row = fc.tuple(fc.constantFrom('float32' as const, 'float64' as const), fc.nat(3000));
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 60 }), (rows) => {
      const taken = rows.map(([datatype, count], index) => takeFloats(datatype, count).fill(index + 0.5));
      for (const [index, floats] of taken.entries()) {
        assert.equal(floats.length, rows[index]![1]);
        assert.ok(floats.every((value) => value === index + 0.5));
      }
    }),
  );
});

test('memory of a row is aligned to its elements', () => {
  for (const count of [17, 18, 19, 33]) {
    takeFloats('float32', count);
    assert.equal(takeFloats('float64', 17).byteOffset % 8, 0);
  }
});
