import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FeatureColumn } from '../table/columns.ts';
import { areIndices, classesOf } from './classes.ts';
import { applyPrepare, fitPrepare, matrixColumns } from './prepare.ts';

const number = (name: string, values: readonly number[], coded = false): FeatureColumn => ({
  kind: 'number',
  name,
  values: Float32Array.from(values),
  coded,
});
const text = (name: string, values: readonly string[]): FeatureColumn => ({ kind: 'text', name, values });
const all = (rows: number) => Int32Array.from({ length: rows }, (_, row) => row);
const rowsOf = (values: Float32Array, width: number) =>
  Array.from({ length: values.length / width }, (_, row) => [...values.subarray(row * width, (row + 1) * width)]);

describe('fitPrepare', () => {
  it('fills in the median, mean or most frequent number of the rows it learns from', () => {
    const columns = [number('x', [1, 2, 2, 9, Number.NaN, 1000])];
    const fillOf = (impute: 'median' | 'mean' | 'most-frequent') => {
      const plan = fitPrepare(columns, all(4), { impute });
      return applyPrepare(plan, columns, 6).values[4];
    };
    assert.deepEqual([fillOf('median'), fillOf('mean'), fillOf('most-frequent')], [2, 3.5, 2]);
  });

  it('scales to mean 0 and deviation 1, or from 0 to 1, and leaves constants alone', () => {
    const columns = [number('x', [0, 2, 4]), number('same', [5, 5, 5])];
    const scaled = (scale: 'standard' | 'minmax') => applyPrepare(fitPrepare(columns, all(3), { scale }), columns, 3);
    assert.deepEqual(rowsOf(scaled('minmax').values, 2), [
      [0, 0],
      [0.5, 0],
      [1, 0],
    ]);
    const [low, middle, high] = rowsOf(scaled('standard').values, 2);
    assert.ok(Math.abs(low![0]! + Math.sqrt(1.5)) < 1e-6 && middle![0] === 0 && high![0] === -low![0]!);
  });

  it('makes a column of zeros and ones of each category, and zeros of what it never saw', () => {
    const columns = [text('city', ['b', 'a', 'b', 'c', ''])];
    const plan = fitPrepare(columns, all(3));
    assert.deepEqual(
      matrixColumns(plan).map(({ label }) => label),
      ['city=b', 'city=a'],
    );
    assert.deepEqual(rowsOf(applyPrepare(plan, columns, 5).values, 2), [
      [1, 0],
      [0, 1],
      [1, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  it('treats a missing category as one of its own, or as the most frequent one', () => {
    const columns = [text('city', ['b', '', 'b']), number('code', [7, Number.NaN, 7], true)];
    const own = fitPrepare(columns, all(3));
    assert.deepEqual(
      matrixColumns(own).map(({ label }) => label),
      ['city=b', 'city=(missing)', 'code=7', 'code=(missing)'],
    );
    assert.deepEqual(rowsOf(applyPrepare(own, columns, 3).values, 4)[1], [0, 1, 0, 1]);
    const frequent = fitPrepare(columns, all(3), { impute: 'most-frequent' });
    assert.deepEqual(rowsOf(applyPrepare(frequent, columns, 3).values, 2)[1], [1, 1]);
  });

  it('keeps only the most frequent categories', () => {
    const columns = [text('word', ['a', 'b', 'b', 'c', 'c', 'c'])];
    const plan = fitPrepare(columns, all(6), { maxCategories: 2 });
    assert.deepEqual(
      matrixColumns(plan).map(({ label }) => label),
      ['word=c', 'word=b'],
    );
  });

  it('takes one tensor where all columns are amounts, and columns by name otherwise', () => {
    const amounts = [number('x', [1, 2])];
    assert.equal(fitPrepare(amounts, all(2)).inputs, 'tensor');
    assert.equal(fitPrepare([...amounts, text('t', ['a', 'b'])], all(2)).inputs, 'columns');
    assert.throws(() => fitPrepare([], all(2)), { code: 'INVALID_INPUT' });
  });
});

describe('classesOf', () => {
  it('sorts numbers as numbers and text as text', () => {
    assert.deepEqual(classesOf(['10', '9', '9']), { names: ['9', '10'], numbers: [9, 10] });
    assert.deepEqual(classesOf(['yes', 'no']), { names: ['no', 'yes'], numbers: undefined });
  });

  it('does not take two spellings of one number for numbers', () => {
    assert.equal(classesOf(['1', '1.0', '2']).numbers, undefined);
    assert.equal(classesOf(['0.5', '1']).numbers, undefined);
  });

  it('knows when a class is its own index', () => {
    assert.ok(areIndices(classesOf(['1', '0'])));
    assert.ok(!areIndices(classesOf(['1', '2'])));
    assert.ok(!areIndices(classesOf(['a', 'b'])));
  });
});
