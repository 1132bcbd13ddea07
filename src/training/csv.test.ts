import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../core/seeded-random.ts';
import { parseCsv } from './csv.ts';
import { splitByClass, tableToDataset } from './dataset.ts';

describe('parseCsv', () => {
  it('reads rows with either line end, with or without a last one', () => {
    const expected = {
      header: ['a', 'b'],
      rows: [
        ['1', ''],
        ['x y', '3'],
      ],
    };
    assert.deepEqual(parseCsv('a,b\n1,\nx y,3\n'), expected);
    assert.deepEqual(parseCsv('\ufeffa,b\r\n1,\r\nx y,3'), expected);
  });

  it('gives back any cells that were quoted', () => {
    const cells = fc.array(fc.string(), { minLength: 2, maxLength: 2 });
    fc.assert(
      fc.property(fc.array(cells), (rows) => {
        const text = rows.map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',')).join('\n');
        assert.deepEqual(parseCsv(`a,b\n${text}`).rows, rows);
      }),
    );
  });

  it('refuses what it does not understand, naming the line', () => {
    const cases: [string, RegExp][] = [
      ['a,b\n1,2\n3\n', /line 3: 1 cells, expected 2/],
      ['a,b\n1,2\n\n', /line 3: 1 cells/],
      ['a,b\n"1\n1",2\n3,4,5\n', /line 4: 3 cells/],
      ['a,b\n"1,2\n', /line 2: expected a closing quote/],
      ['a,b\n"1"x,2\n', /line 2: expected a comma/],
      ['a,b\n1"x",2\n', /line 2: expected quotes around/],
      ['a,a\n1,2\n', /line 1: column names/],
      ['', /line 1: column names/],
    ];
    for (const [text, message] of cases) {
      assert.throws(() => parseCsv(text), { code: 'INVALID_INPUT', message }, JSON.stringify(text));
    }
  });
});

describe('tableToDataset', () => {
  it('makes numbers of features and classes of the label column, wherever it stands', () => {
    const dataset = tableToDataset(parseCsv('x,kind,y\n1,b,0.1\n2,a,-3e2\n3,b,0\n'), 'kind');
    assert.deepEqual(dataset.features, new Float32Array([1, 0.1, 2, -300, 3, 0]));
    assert.deepEqual([...dataset.labels], [0, 1, 0]);
    assert.deepEqual(
      [dataset.featureNames, dataset.classNames],
      [
        ['x', 'y'],
        ['b', 'a'],
      ],
    );
  });

  it('refuses cells that are no finite float32 and a missing label column', () => {
    for (const cell of ['', ' ', 'abc', '1e39', 'NaN', 'Infinity']) {
      const table = parseCsv(`x,kind\n1,a\n${cell},b\n`);
      assert.throws(() => tableToDataset(table, 'kind'), { code: 'INVALID_INPUT', message: /x of data row 2/ });
    }
    assert.throws(() => tableToDataset(parseCsv('x,kind\n1,a\n'), 'sort'), { code: 'INVALID_INPUT' });
  });
});

describe('splitByClass', () => {
  it('holds out the fraction of each class and keeps every row with its label once', () => {
    const labels = Int32Array.from({ length: 30 }, (_, row) => (row < 20 ? 0 : 1));
    const features = Float32Array.from(labels, (_, row) => row);
    const parts = splitByClass({ features, labels, featureCount: 1, classCount: 2 }, 0.25, seededRandom(1));
    assert.deepEqual([...parts.heldOut.labels], [0, 0, 0, 0, 0, 1, 1]);
    const rows = [...parts.train.features, ...parts.heldOut.features];
    assert.deepEqual(
      rows.toSorted((a, b) => a - b),
      [...features],
    );
    for (const part of [parts.train, parts.heldOut]) {
      assert.deepEqual(
        [...part.labels],
        Array.from(part.features, (row) => (row < 20 ? 0 : 1)),
      );
    }
  });
});
