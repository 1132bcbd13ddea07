import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allocate, type Datatype, datatypes, type Tensor, type TensorData } from '../tensor.ts';
import { BufferPool } from './buffer-pool.ts';
import { copyInputs, mergeRows, RowAssembly, sliceRows } from './merge-split.ts';

/** Distinct values for every element of every request, so that a swapped or torn row cannot go unseen. */
function numbered(datatype: Datatype, shape: readonly number[], from: number): Tensor {
  const data = allocate(
    datatype,
    shape.reduce((product, dim) => product * dim, 1),
  );
  for (let index = 0; index < data.length; index++) {
    const value = from + index;
    data[index] = (datatype === 'string' ? `s${value}` : /int64/.test(datatype) ? BigInt(value) : value) as never;
  }
  return { datatype, shape, data };
}

const plain = (data: TensorData): unknown[] => Array.from(data as Iterable<unknown>);

test('rows merged and sliced again are the rows that went in, for every datatype and composition', () => {
  const pool = new BufferPool(4);
  fc.assert(
    fc.property(
      fc.constantFrom(...datatypes),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 }),
      fc.constantFrom([], [1], [3], [7, 9], [2, 40]),
      (datatype, rowCounts, inner) => {
        const requests = rowCounts.map((rows, index) => numbered(datatype, [rows, ...inner], 1000 * index));
        const total = rowCounts.reduce((sum, rows) => sum + rows, 0);
        const ranges = requests.map((tensor, index) => ({ inputs: [tensor], start: 0, rows: rowCounts[index]! }));
        const [merged] = mergeRows(ranges, total, pool);
        assert.deepEqual(merged!.shape, [total, ...inner]);
        let row = 0;
        for (const request of requests) {
          const part = sliceRows(merged!, row, request.shape[0]!);
          assert.deepEqual(part.shape, request.shape);
          assert.deepEqual(plain(part.data), plain(request.data));
          row += request.shape[0]!;
        }
        if (!Array.isArray(merged!.data)) pool.give(merged!.data.buffer);
      },
    ),
  );
});

test('a request cut over several batches is put together in its own order', () => {
  const whole = numbered('float32', [7, 3], 5);
  const assembly = new RowAssembly(7);
  assembly.add([sliceRows(whole, 4, 3)], 4);
  assembly.add([sliceRows(whole, 0, 4)], 0);
  assert.deepEqual(assembly.outputs[0]!.shape, [7, 3]);
  assert.deepEqual(plain(assembly.outputs[0]!.data), plain(whole.data));
});

test('copies have their own memory, so that a dead worker takes nothing from the request', () => {
  const original = numbered('float32', [2, 3], 0);
  const [copy] = copyInputs([original], new BufferPool(1));
  assert.notEqual((copy!.data as Float32Array).buffer, (original.data as Float32Array).buffer);
  assert.deepEqual(plain(copy!.data), plain(original.data));
});

test('a pooled buffer is reused for the same size and never for more than half of it wasted', () => {
  const pool = new BufferPool(2);
  const buffer = new ArrayBuffer(8192);
  pool.give(buffer);
  assert.notEqual((pool.take('float32', 1024 - 1) as Float32Array).buffer, buffer);
  const reused = pool.take('float32', 2000) as Float32Array;
  assert.equal(reused.buffer, buffer);
  assert.equal(reused.length, 2000);
});
