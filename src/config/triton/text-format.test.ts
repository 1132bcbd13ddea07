import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type PlainField, type PlainValue, TextPrinter } from './testing/print-text.ts';
import { TextFormatError } from './text-error.ts';
import { parseTextFormat, type TextField, type TextValue } from './text-format.ts';

const runs = { numRuns: Number(process.env.HOTPATH_FUZZ_RUNS ?? 300) };

function withoutPlaces(fields: readonly TextField[]): PlainField[] {
  const plain = (value: TextValue): PlainValue =>
    value.kind === 'message'
      ? { kind: 'message', fields: withoutPlaces(value.fields) }
      : ({ kind: value.kind, value: value.value } as PlainValue);
  return fields.map(({ name, list, values }) => ({ name, list, values: values.map(plain) }));
}

function parse(text: string): PlainField[] {
  return withoutPlaces(parseTextFormat(text).root.fields);
}

/** The value of the first field. */
function firstValue(text: string): unknown {
  const [field] = parse(text);
  const [value] = field!.values;
  return value?.kind === 'message' ? value.fields : value?.value;
}

function failure(text: string, limits = {}): string {
  try {
    parseTextFormat(text, limits);
  } catch (error) {
    assert.ok(error instanceof TextFormatError, String(error));
    return error.message;
  }
  assert.fail(`no error for ${text}`);
}

const word = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
const { fields } = fc.letrec<{ fields: PlainField[]; value: PlainValue; field: PlainField }>((tie) => ({
  fields: fc.array(tie('field'), { maxLength: 4 }),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.string({ unit: 'grapheme' }).map((value) => ({ kind: 'string' as const, value })),
    fc.bigInt().map((value) => ({ kind: 'integer' as const, value })),
    fc.double({ noNaN: true }).map((value) => ({ kind: 'float' as const, value })),
    word.map((value) => ({ kind: 'name' as const, value })),
    tie('fields').map((inner) => ({ kind: 'message' as const, fields: inner })),
  ),
  field: fc.oneof(
    fc.record(
      { name: word, list: fc.constant(false), values: fc.array(tie('value'), { minLength: 1, maxLength: 1 }) },
      { noNullPrototype: true },
    ),
    fc.record(
      { name: word, list: fc.constant(true), values: fc.array(tie('value'), { maxLength: 3 }) },
      { noNullPrototype: true },
    ),
  ),
}));
const style = fc.array(fc.nat(60), { minLength: 1, maxLength: 40 });

describe('the text format', () => {
  it('comes back as it was printed, in every style of spacing, brackets, quotes and numbers', () => {
    fc.assert(
      fc.property(fields, style, (tree, choices) => {
        assert.deepEqual(parse(new TextPrinter(choices).print(tree)), tree);
      }),
      runs,
    );
  });

  it('throws nothing but its own error, whatever the text', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...'{}[]<>:;,-#"\'\\ \n'.split(''),
        'a',
        'dims',
        '1',
        '0x',
        '1.f',
        '\\x',
        '\\u00',
        'inf',
        '09',
        '\0',
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          parseTextFormat(pieces.join(''));
        } catch (error) {
          assert.ok(error instanceof TextFormatError, String(error));
          assert.match(error.message, /^line \d+, column \d+: .+\.$/s);
        }
      }),
      runs,
    );
  });

  it('finds a cut in a valid text, or reads what stands before it', () => {
    fc.assert(
      fc.property(fields, style, fc.nat(), (tree, choices, cut) => {
        const text = new TextPrinter(choices).print(tree);
        try {
          assert.ok(parse(text.slice(0, cut % (text.length + 1))).length <= tree.length);
        } catch (error) {
          assert.ok(error instanceof TextFormatError, String(error));
        }
      }),
      runs,
    );
  });

  it('reads integers in all notations', () => {
    for (const [text, value] of [
      ['0', 0n],
      ['-7', -7n],
      ['- 7', -7n],
      ['0x1F', 31n],
      ['-0XfF', -255n],
      ['017', 15n],
      ['18446744073709551615', 18446744073709551615n],
    ] as const) {
      assert.equal(firstValue(`a: ${text}`), value, text);
    }
  });

  it('reads floats in all notations', () => {
    for (const [text, value] of [
      ['1.5', 1.5],
      ['1e3', 1000],
      ['1.f', 1],
      ['2F', 2],
      ['.5', 0.5],
      ['-1E-2f', -0.01],
      ['-inf', Number.NEGATIVE_INFINITY],
      ['-Infinity', Number.NEGATIVE_INFINITY],
      ['-nan', Number.NaN],
    ] as const) {
      assert.equal(firstValue(`a: ${text}`), value, text);
    }
  });

  it('reads strings with every escape and joins neighbours', () => {
    for (const [text, value] of [
      [`"a'b"`, `a'b`],
      [`'a"b'`, `a"b`],
      [String.raw`"\a\b\t\n\v\f\r\"\'\?\\"`, '\x07\b\t\n\v\f\r"\'?\\'],
      [String.raw`"\101\x42\X43\7"`, 'ABC\x07'],
      [String.raw`"\u00e9\U0001F600\ud83d\ude00"`, 'é😀😀'],
      [String.raw`"\303" '\251' # half a character each`, 'é'],
      ['"a" "b"\n\'c\'', 'abc'],
      ['"grüße \t"', 'grüße \t'],
    ] as const) {
      assert.equal(firstValue(`a: ${text}`), value, text);
    }
  });

  it('says with line and column what it expected', () => {
    for (const [text, message] of [
      ['a: 1\nb', 'line 2, column 2: expected ":" or "{" after b, not the end of the text.'],
      ['a 1', 'line 1, column 3: expected ":" or "{" after a, not "1".'],
      ['a {\n  b: 1', 'line 2, column 7: expected a field name or "}", not the end of the text.'],
      ['a { b: 1 >', 'line 1, column 10: expected a field name or "}", not ">".'],
      ['a: [1 2]', 'line 1, column 7: expected "," or "]" in the list of a, not "2".'],
      ['a: [1,]', 'line 1, column 7: expected a value for a, not "]".'],
      ['a [1]', 'line 1, column 4: expected "{" in the list of a, which has no ":" before it, not "1".'],
      ['a: -b', 'line 1, column 5: expected a number after "-", not "b".'],
      ['a:', 'line 1, column 3: expected a value for a, not the end of the text.'],
      ['a: 1,, b: 2', 'line 1, column 6: expected a field name, not ",".'],
      ['}', 'line 1, column 1: expected a field name, not "}".'],
      ['a: 09', 'line 1, column 4: "09" is not a number as the text format writes them.'],
      ['a: 12abc', 'line 1, column 4: "12a" is not a number as the text format writes them.'],
      ['a: 0x', 'line 1, column 4: "0x" is not a number as the text format writes them.'],
      ['a: "x\n"', 'line 1, column 4: this string has no closing " on its line.'],
      [
        'a: "\\q"',
        String.raw`line 1, column 5: there is no escape "\\q"; expected \n, \t, \", \\, an octal number, \x, \u or \U with hexadecimal digits.`,
      ],
      ['a: "\\400"', 'line 1, column 5: the octal escape \\400 is larger than \\377.'],
      ['a: "\\xff"', 'line 1, column 4: the escapes of this string give bytes that are no UTF-8 text.'],
      ['a: "\\ud800"', 'line 1, column 5: the escape \\ud800 names no Unicode character.'],
      ['a: "\\U00110000"', 'line 1, column 5: the escape \\U00110000 names no Unicode character.'],
      ['\na: @', 'line 2, column 4: expected a field name, a value or a bracket, not "@".'],
      ['[x.y]: 1', 'line 1, column 1: extensions and Any messages ("[name]") are not supported here.'],
    ] as const) {
      assert.equal(failure(text), message);
    }
  });

  it('refuses texts that are too deep or too long', () => {
    assert.equal(parse('a{'.repeat(64) + '}'.repeat(64)).length, 1);
    assert.equal(failure('a{'.repeat(65) + '}'.repeat(65)), 'line 1, column 130: messages are nested deeper than 64.');
    assert.match(failure('#'.repeat(100), { maxLength: 99 }), /longer than 99 characters/);
    assert.match(failure(`a: ${'1'.repeat(100_000)}`), /is not a number/);
  });
});
