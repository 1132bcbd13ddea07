import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fillNumbers, numberRowOf } from './number-row.ts';

/** The numbers read, or undefined when this reader declines. */
function read(text: string, count: number): number[] | undefined {
  const row = numberRowOf(Buffer.from(text));
  const into = new Float64Array(count);
  return row !== undefined && fillNumbers(row, into) ? [...into] : undefined;
}

describe('number rows', () => {
  it('reads plain lists', () => {
    assert.deepEqual(read('{"features":[5.1,3.5,1.4,0.2]}', 4), [5.1, 3.5, 1.4, 0.2]);
    assert.deepEqual(read('{"features": [0, -0, -1.50 , 123456789]}\n', 4), [0, -0, -1.5, 123456789]);
  });

  for (const text of [
    '{"features":[1,2,3]}',
    '{"features":[1]}',
    '{"features":[]}',
    '{"features":[1,2],"model":"iris"}',
    '{"features":[1,"2"]}',
    '{"features":[[1,2]]}',
    '{"features":[1,[2]]}',
    '{"features":[1,null]}',
    '{"features":[1,2e1]}',
    '{"features":[1,2.]}',
    '{"features":[1,.5]}',
    '{"features":[1,+2]}',
    '{"features":[1,01]}',
    '{"features":[1,-]}',
    '{"features":[1,1234567890]}',
    '{"features":[1,0.00000000000000000000001]}',
    '{"features":[1,2,]}',
    '{"features":[1 2]}',
    '{"features":[1,2]',
    '{"features":[1,2',
    '{"features":[1,2]}}',
    '{"features":[1,2]},',
    '{"features":[1,2]}\n\n',
    '{"model":"iris","features":[1,2]}',
    '{ "features":[1,2]}',
    '{"features"',
    '',
  ]) {
    it(`leaves to the parser: ${text}`, () => assert.equal(read(text, 2), undefined));
  }

  it('reads what JSON.parse reads, bit for bit, or declines', () => {
    const number = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.tuple(fc.integer(), fc.nat(9)).map(([value, digits]) => (value / 10 ** digits).toFixed(digits)),
      fc.tuple(fc.maxSafeInteger(), fc.nat(24)).map(([value, scale]) => {
        const digits = String(Math.abs(value)).padStart(scale + 1, '0');
        const cut = digits.length - scale;
        return `${value < 0 ? '-' : ''}${digits.slice(0, cut)}${scale > 0 ? `.${digits.slice(cut)}` : ''}`;
      }),
      { weight: 5, arbitrary: fc.integer({ min: -999, max: 999 }).map((value) => String(value / 100)) },
      fc.integer().map(String),
      fc.constantFrom('0', '-0', '0.0', '-0.0', '1', '00', '1.', '1e5', 'null', '[1]', '', ' ', '- 1', '0x1'),
    );
    let taken = 0;
    const space = fc.constantFrom('', ' ', '  ', '\n');
    const lists = fc.array(fc.tuple(number, space, space), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(lists, (parts) => {
        const list = parts.map(([text, before, after]) => before + text + after).join(',');
        const text = `{"features":[${list}]}`;
        const values = read(text, parts.length);
        if (values === undefined) return;
        taken++;
        const expected = JSON.parse(text).features as number[];
        assert.deepEqual(values.length, expected.length);
        for (const [index, value] of values.entries()) assert.ok(Object.is(value, expected[index]), text);
      }),
      { numRuns: 5000 },
    );
    assert.ok(taken > 200, `only ${taken} lists were read: this proves little`);
  });

  it('declines whatever is cut or spoilt, unless it is still JSON of the same form', () => {
    const text = '{"features":[5.1,3.25,-1.4,0.2]}';
    fc.assert(
      fc.property(fc.nat(text.length), fc.nat(255), (at, byte) => {
        const bytes = Buffer.from(text);
        bytes[at] = byte;
        const row = numberRowOf(bytes);
        const into = new Float64Array(4);
        if (row === undefined || !fillNumbers(row, into)) return;
        assert.deepEqual([...into], JSON.parse(bytes.toString('latin1')).features);
      }),
      { numRuns: 3000 },
    );
  });
});
