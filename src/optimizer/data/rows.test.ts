import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { seededRandom } from '../../core/seeded-random.ts';
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import { parseCsv } from '../../training/csv.ts';
import { bindArrays } from './bind-arrays.ts';
import { readCsvRows } from './csv-rows.ts';
import { readJsonRows } from './json-rows.ts';
import { splitRows } from './rows.ts';
import { makeRows } from './synthetic.ts';

const features: TensorSpec = { name: 'features', datatype: 'float32', shape: [-1, 2] };
const float64 = (shape: readonly number[], ...data: number[]): Tensor => ({
  datatype: 'float64',
  shape,
  data: Float64Array.from(data),
});
const numbered = (name: string) => ({ name, number: (values: readonly string[]) => Float64Array.from(values, Number) });
const valuesOf = (tensor: Tensor | undefined) => [...(tensor!.data as Float32Array)];

describe('arrays as rows of a model', () => {
  it('feed a single input whatever the array is called, in its datatype', () => {
    const rows = bindArrays([features], { x: float64([3, 2], 1, 2, 3, 4, 5, 6) });
    assert.equal(rows.rows, 3);
    const { features: slice } = rows.slice(1, 2);
    assert.deepEqual([slice?.datatype, slice?.shape, valuesOf(slice)], ['float32', [2, 2], [3, 4, 5, 6]]);
  });

  it('take the shape of the input when only that differs', () => {
    const image = { name: 'image', datatype: 'float32', shape: [1, 1, 2, 2] } as const;
    const rows = bindArrays([image], { x: float64([2, 4], 1, 2, 3, 4, 5, 6, 7, 8) });
    assert.deepEqual(rows.slice(1, 1).image?.shape, [1, 1, 2, 2]);
    assert.deepEqual(valuesOf(rows.slice(1, 1).image), [5, 6, 7, 8]);
  });

  it('stay apart where an input has its rows elsewhere, and repeat what is the same for all', () => {
    const state = { name: 'state', datatype: 'float32', shape: [2, -1, 1] } as const;
    const rate = { name: 'rate', datatype: 'int64', shape: [] } as const;
    const rows = bindArrays([features, state, rate], {
      features: float64([2, 2], 1, 2, 3, 4),
      state: float64([2, 2, 1, 1], 5, 6, 7, 8),
      rate: float64([], 16000),
    });
    assert.equal(rows.joinable, false);
    const feeds = rows.slice(1, 1);
    assert.deepEqual(
      [valuesOf(feeds.features), valuesOf(feeds.state), feeds.state?.shape],
      [
        [3, 4],
        [7, 8],
        [2, 1, 1],
      ],
    );
    assert.deepEqual(feeds.rate?.data, BigInt64Array.of(16000n));
    assert.throws(() => rows.slice(0, 2), /one by one/);
  });

  it('are refused when they do not fit, have no rows, or are not finite', () => {
    assert.throws(
      () => bindArrays([features], { x: float64([2, 3], 1, 2, 3, 4, 5, 6) }),
      /shape \[2, 3\]; expected \[rows, 2\]/,
    );
    assert.throws(() => bindArrays([features], { x: float64([0, 2]) }), /no rows/);
    assert.throws(() => bindArrays([features], { x: float64([2, 2], 1, 2, Number.NaN, 4) }), /holds NaN in row 1/);
    assert.throws(() => bindArrays([features], { x: float64([1, 2], 1, 2) }, [0, 1]), /2 labels for 1 rows/);
    const ids: TensorSpec = { name: 'ids', datatype: 'int64', shape: [-1, 1] };
    assert.throws(
      () => bindArrays([ids], { x: float64([1, 1], 0.5) }),
      /Element 0 of "ids" is 0.5; the model takes int64/,
    );
    assert.throws(
      () => bindArrays([features, ids], { features: float64([1, 2], 1, 2) }),
      /"ids" has no array of its name/,
    );
  });
});

describe('lines of JSON as rows', () => {
  it('are one row as features and any number as inputs', () => {
    const text =
      '{"features": [1, 2]}\n\n{"inputs": {"features": [[3, 4], [5, 6]]}}\n{"inputs": {"features": {"shape": [1, 2], "data": [7, 8]}}}';
    const rows = readJsonRows([features], text);
    assert.equal(rows.rows, 4);
    assert.deepEqual(valuesOf(rows.slice(0, 4).features), [1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('carry labels', () => {
    const rows = readJsonRows([features], '{"features": [1, 2], "y": 1}\n{"features": [3, 4], "y": 0}', numbered('y'));
    assert.deepEqual([...(rows.labels as Float64Array)], [1, 0]);
    assert.deepEqual([...(rows.take([1]).labels as Float64Array)], [0]);
  });

  it('of different lengths stay apart', () => {
    const tokens: TensorSpec = { name: 'tokens', datatype: 'int64', shape: [-1, -1] };
    const rows = readJsonRows([tokens], '{"inputs": {"tokens": [[1, 2]]}}\n{"inputs": {"tokens": [[1, 2, 3]]}}');
    assert.deepEqual([rows.joinable, rows.rows], [false, 2]);
    assert.deepEqual(rows.slice(1, 1).tokens?.shape, [1, 3]);
  });

  it('never fail but with a sentence, whatever they hold', () => {
    const inputs: TensorSpec[] = [features, { name: 'ids', datatype: 'int64', shape: [-1, -1] }];
    const lines = fc.array(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc.record({ features: fc.jsonValue() }).map((body) => JSON.stringify(body)),
        fc
          .record({ inputs: fc.record({ features: fc.jsonValue(), ids: fc.jsonValue() }) })
          .map((body) => JSON.stringify(body)),
      ),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(lines, fc.boolean(), (text, both) => {
        try {
          const rows = readJsonRows(both ? inputs : [features], text.join('\n'));
          assert.ok(rows.rows > 0);
        } catch (error) {
          assert.ok(error instanceof HotpathError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('give back every number that was written', () => {
    const row = fc.tuple(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.float({ noNaN: true, noDefaultInfinity: true }),
    );
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), (list) => {
        const rows = readJsonRows([features], list.map((numbers) => JSON.stringify({ features: numbers })).join('\n'));
        const expected = Float32Array.from(list.flat(), (value) => value + 0);
        assert.deepEqual(
          Float32Array.from(valuesOf(rows.slice(0, rows.rows).features), (value) => value + 0),
          expected,
        );
      }),
    );
  });

  it('are refused by line', () => {
    const refuses = (text: string, pattern: RegExp) => assert.throws(() => readJsonRows([features], text), pattern);
    refuses('{"features": [1, 2]}\n{', /Line 2 is no JSON/);
    refuses('{"x": 1}', /Line 1 has neither/);
    refuses('{"features": [1, 2, 3]}', /Line 1: "features" has the shape \[3\], expected \[2\]/);
    refuses('{"inputs": {"features": [[1, 2], [3]]}}', /unequal lengths/);
    refuses('{"features": ["a", "b"]}', /takes numbers/);
    refuses('', /no rows/);
  });
});

describe('a table as rows', () => {
  it('gives all columns but the label', () => {
    const rows = readCsvRows([features], parseCsv('a,y,b\n1,0,2\n3,1,4\n'), numbered('y'));
    assert.deepEqual(valuesOf(rows.slice(0, 2).features), [1, 2, 3, 4]);
    assert.deepEqual([...(rows.labels as Float64Array)], [0, 1]);
  });

  it('gives each input the column of its name', () => {
    const inputs = [
      { name: 'sex', datatype: 'string', shape: [-1, 1] },
      { name: 'age', datatype: 'float32', shape: [-1, 1] },
    ] as const;
    const rows = readCsvRows(inputs, parseCsv('age,sex\n29,female\n'));
    assert.deepEqual([rows.slice(0, 1).sex?.data, valuesOf(rows.slice(0, 1).age)], [['female'], [29]]);
  });

  it('is refused by row and column', () => {
    assert.throws(() => readCsvRows([features], parseCsv('a,b\n1,x\n')), /row 1, column "b": "x" is no number/);
    assert.throws(() => readCsvRows([features], parseCsv('a,b\n1,2\n'), numbered('c')), /no column "c"/);
  });
});

describe('the split', () => {
  it('holds out rows that calibration never sees, whatever their order', () => {
    const count = 90;
    const all = bindArrays([{ ...features, shape: [-1, 1] }], { x: float64([count, 1], ...Array(count).keys()) });
    const { calibration, heldOut } = splitRows(all, seededRandom(1));
    const seen = [calibration, heldOut].map((part) => valuesOf(part.slice(0, part.rows).features));
    assert.equal(heldOut.rows, 30);
    assert.deepEqual(
      seen.flat().toSorted((a, b) => a - b),
      [...Array(count).keys()],
    );
    assert.notDeepEqual(seen.flat(), [...Array(count).keys()]);
  });

  it('of one row says that there is nothing to hold out', () => {
    const { notes } = splitRows(bindArrays([features], { x: float64([1, 2], 1, 2) }), seededRandom(1));
    assert.match(notes[0]!, /one row only/);
  });
});

describe('made-up rows', () => {
  it('have the shape of a run that worked where the signature leaves it open', () => {
    const tokens = { name: 'tokens', datatype: 'int64', shape: [-1, -1], trialShape: [1, 8] } as const;
    assert.deepEqual(makeRows([tokens], 5, seededRandom(1)).slice(0, 5).tokens?.shape, [5, 8]);
    const { trialShape: _, ...open } = tokens;
    assert.throws(() => makeRows([open], 5, seededRandom(1)), /"tokens" \[\?, \?\] is not known/);
  });
});
