import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readNumber } from './cell-kinds.ts';
import { readColumn } from './columns.ts';
import { collectTable } from './read-table.ts';
import { readTarget } from './target.ts';

async function tableOf(name: string, cells: readonly string[], separator = ',') {
  return await collectTable([`${name}${separator}other\n`, ...cells.map((cell) => `"${cell}"${separator}x\n`)]);
}

const tens = Array.from({ length: 20 }, (_, row) => String(row * 10 + (row % 3)));

describe('readColumn', () => {
  it('reads numbers as float32, with NaN for what is missing', async () => {
    const { column } = readColumn(await tableOf('x', ['0.1', '', 'NA', '-3e2', ' 5 ', '?']), 0);
    assert.deepEqual(column, {
      kind: 'number',
      name: 'x',
      coded: false,
      values: new Float32Array([0.1, Number.NaN, Number.NaN, -300, 5, Number.NaN]),
    });
  });

  it('reads decimal commas where commas do not separate', async () => {
    const { column } = readColumn(await tableOf('x', ['1,5', '2,25'], ';'), 0);
    assert.deepEqual(column.kind === 'number' && [...column.values], [1.5, 2.25]);
  });

  it('takes a column with one odd cell as text and says where it is', async () => {
    const { column, note } = readColumn(await tableOf('x', [...tens, 'much']), 0, { wanted: new Set(['x']) });
    assert.equal(column.kind, 'text');
    assert.match(note!, /Column x is taken as text: 1 of its cells .*line 22 has "much"/);
  });

  it('leaves out what cannot be learned from, with the reason', async () => {
    const cases: [string, readonly string[], RegExp][] = [
      ['x', Array.from({ length: 20 }, (_, row) => String(row + 5)), /numbers the rows/],
      ['user_id', tens, /numbers the rows/],
      ['x', ['7', '7', '7'], /all its values are equal/],
      ['x', ['a', 'a'], /all its values are equal/],
      ['x', ['', '', 'NA'], /empty/],
      ['x', ['2024-01-02', '2024-02-03', ''], /dates/],
      ['x', ['1.2.2024', '31.12.2023'], /dates/],
      ['x', Array.from({ length: 30 }, (_, row) => `Name ${row}`), /30 of its 30 values are different/],
    ];
    for (const [name, cells, reason] of cases) {
      const { column } = readColumn(await tableOf(name, cells), 0);
      assert.equal(column.kind, 'left-out', String(cells));
      assert.match(column.kind === 'left-out' ? column.reason : '', reason);
    }
  });

  it('keeps a column that was asked for by name', async () => {
    const options = { wanted: new Set(['user_id']) };
    assert.equal(readColumn(await tableOf('user_id', tens), 0, options).column.kind, 'number');
  });

  it('keeps amounts whose values all differ but do not number the rows', async () => {
    assert.equal(readColumn(await tableOf('income', tens), 0).column.kind, 'number');
  });
});

describe('readNumber', () => {
  it('takes no codes, words or numbers beyond float32', () => {
    for (const cell of ['007', '1e39', 'Infinity', '0x10', '1,5', '1_000', '', 'true']) {
      assert.equal(readNumber(cell, false), undefined, cell);
    }
    assert.deepEqual(
      ['0', '-0.5', '.5', '5.', '+1', '1E3'].map((cell) => readNumber(cell, false)),
      [0, -0.5, 0.5, 5, 1, 1000],
    );
  });
});

describe('readTarget', () => {
  const repeat = (cells: readonly string[], times: number) => Array.from({ length: times }, () => cells).flat();

  it('takes text and few whole numbers for classes, in order', async () => {
    const text = readTarget(await tableOf('y', repeat(['b', 'a'], 5)), 0);
    assert.deepEqual(text.classes, { names: ['a', 'b'], numbers: undefined });
    assert.deepEqual(text.target.task === 'classification' && [...text.target.labels.subarray(0, 2)], [1, 0]);
    const numbers = readTarget(await tableOf('y', repeat(['10', '9', '2'], 5)), 0);
    assert.deepEqual(numbers.classes, { names: ['2', '9', '10'], numbers: [2, 9, 10] });
  });

  it('takes other numbers for amounts', async () => {
    assert.equal(readTarget(await tableOf('y', tens), 0).target.task, 'regression');
    assert.equal(readTarget(await tableOf('y', repeat(['0.5', '1'], 9)), 0).target.task, 'regression');
  });

  it('leaves out rows without a target', async () => {
    const { rows, notes } = readTarget(await tableOf('y', ['a', '', 'b', 'a', 'b']), 0);
    assert.deepEqual([...rows], [0, 2, 3, 4]);
    assert.match(notes[0]!, /1 row has no y/);
  });

  it('refuses what cannot be predicted', async () => {
    const cases: [readonly string[], 'regression' | 'classification' | undefined, RegExp][] = [
      [['a', 'a', 'a'], undefined, /one class only \(a\)/],
      [['', ''], undefined, /empty/],
      [['5', '5'], 'regression', /All values of y are equal/],
      [['1', 'two', '3'], 'regression', /line 3 has "two"/],
      [tens, 'classification', /20 different values in 20 rows/],
    ];
    for (const [cells, task, message] of cases) {
      const table = await tableOf('y', cells);
      assert.throws(() => readTarget(table, 0, task), { code: 'INVALID_INPUT', message });
    }
  });
});

describe('collectTable', () => {
  it('refuses what is no text and what has no rows', async () => {
    await assert.rejects(collectTable(['a,b\n1,\ufffd\n']), { code: 'INVALID_INPUT', message: /not UTF-8/ });
    await assert.rejects(collectTable(['a,b\n']), { code: 'INVALID_INPUT', message: /no rows/ });
    await assert.rejects(collectTable([]), { code: 'INVALID_INPUT' });
  });
});
