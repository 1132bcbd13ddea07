import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../core/seeded-random.ts';
import { CsvStream, parseCsv, type Separator } from './csv.ts';
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

function readChunks(chunks: readonly string[], separator?: Separator) {
  const rows: string[][] = [];
  const lines: number[] = [];
  const stream = new CsvStream(
    (row, line) => {
      rows.push(row);
      lines.push(line);
    },
    separator === undefined ? {} : { separator },
  );
  for (const chunk of chunks) stream.push(chunk);
  return { header: stream.finish(), rows, lines, separator: stream.separator };
}

describe('CsvStream', () => {
  it('reads the same rows wherever the text is cut', () => {
    const cell = fc.oneof(fc.string(), fc.constantFrom('"', ',', '\n', '\r\n', '""', 'a"b'));
    const table = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(table, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (rows, sizes) => {
        const text = ['a,b', ...rows.map((row) => row.map((each) => `"${each.replaceAll('"', '""')}"`).join(','))].join(
          '\r\n',
        );
        const chunks: string[] = [];
        for (let at = 0; at < text.length; ) {
          const size = sizes.next().value as number;
          chunks.push(text.slice(at, at + size));
          at += size;
        }
        const read = readChunks(chunks);
        assert.deepEqual(read.rows, rows);
        assert.deepEqual(read, readChunks([text]));
      }),
    );
  });

  it('finds the separator in the header, outside quotes', () => {
    assert.deepEqual(readChunks(['a;b\n1,5;2\n']).rows, [['1,5', '2']]);
    assert.deepEqual(readChunks(['a\tb\n1\t2']).rows, [['1', '2']]);
    assert.deepEqual(readChunks(['"a;b;c",d\n1,2']).header, ['a;b;c', 'd']);
    assert.equal(readChunks(['single\n1']).separator, ',');
  });

  it('says on which line a row stands, after cells with line ends and with a byte order mark', () => {
    const read = readChunks(['\ufeffa,b\r\n"1\r\n1",2\r\n3,4\r\n\r\n\n']);
    assert.deepEqual(
      [read.header, read.lines],
      [
        ['a', 'b'],
        [2, 4],
      ],
    );
  });

  it('refuses blank lines within the table and ragged rows', () => {
    assert.throws(() => readChunks(['a,b\n1,2\n\n3,4\n']), { code: 'INVALID_INPUT', message: /line 3: .*blank/ });
    assert.throws(() => readChunks(['a;b\n1;2;3\n']), {
      code: 'INVALID_INPUT',
      message: /line 2: 3 cells, expected 2/,
    });
    assert.throws(() => readChunks(['a;b\n"1"x;2\n']), { code: 'INVALID_INPUT', message: /a semicolon/ });
  });

  it('gives up on a quote that is never closed before it has read gigabytes', () => {
    const chunk = 'x'.repeat(2 ** 22);
    assert.throws(() => readChunks(['a,b\n1,"', chunk, chunk, chunk, chunk, chunk]), {
      code: 'INVALID_INPUT',
      message: /line 2: expected a closing quote/,
    });
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
