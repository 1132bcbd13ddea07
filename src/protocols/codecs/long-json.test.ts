import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { readLongJson } from './long-json.ts';

const pieceBytes = fc.constantFrom(1, 2, 3, 7, 20);

test('a text cut at every comma reads as JSON.parse reads it', async () => {
  const value = fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' });
  await fc.assert(
    fc.asyncProperty(value, pieceBytes, fc.constantFrom(0, 2), async (json, size, indent) => {
      const text = JSON.stringify(json, undefined, indent);
      assert.deepEqual(await readLongJson(Buffer.from(text), 50, size), JSON.parse(text));
    }),
    { numRuns: 100 },
  );
});

test('a text cut at every comma is refused when JSON.parse refuses it, and only then', async () => {
  const parts = [
    ...['[', ']', '{', '}', ',', ',', ':', ' ', '1', '"a"', '"b"', '"', 'null'],
    ...['"c":', '"d":', '[1,2', '{"e":3', ',"f":4', '],[', '},{', '"\\","', ',]', ',}', '[,', '{,'],
  ];
  const pieced = fc.array(fc.constantFrom(...parts), { maxLength: 12 }).map((list) => list.join(''));
  const json = fc.json({ maxDepth: 4 });
  const spoiled = fc.tuple(json, fc.nat(), fc.constantFrom('', ...parts)).map(([text, at, part]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + part + text.slice(place + (at % 2));
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(pieced, spoiled), pieceBytes, async (text, size) => {
      let expected: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        await assert.rejects(readLongJson(Buffer.from(text), 50, size), /is not valid JSON|given twice/, text);
        return;
      }
      try {
        assert.deepEqual(await readLongJson(Buffer.from(text), 50, size), expected);
      } catch (error) {
        if (!(error instanceof HotpathError && /given twice/.test(error.message))) throw error;
      }
    }),
    { numRuns: 4000 },
  );
});

test('what is wrong at a cut is refused at its byte', async () => {
  for (const [text, position] of [
    ['', 0],
    [',', 0],
    ['1,2', 1],
    ['{},{}', 2],
    ['[1,2]],', 5],
    ['[,1]', 1],
    ['[1,]', 3],
    ['[1, ,2]', 4],
    ['[1,2,', 5],
    ['[1,2', 4],
    ['{"a":1,', 7],
    ['{"a":1 , }', 9],
    ['{,"a":1}', 1],
    ['{"a":,"b":1}', 5],
    ['[{"a":[1,2}]]', 10],
    ['["é",x]', 6],
  ] as const) {
    await assert.rejects(
      readLongJson(Buffer.from(text), 50, 1),
      new RegExp(`not valid JSON.* position ${position}\\.`),
      text,
    );
  }
});

test('a name given twice is refused wherever the text is cut between the two', async () => {
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":1,"b":2,"a":3}',
    '[[{"a":[1,2],"b":2,"\\u0061":3}]]',
    '{"x":[1,{"a":1,"a":2},3]}',
    '{"__proto__":1,"b":2,"__proto__":3}',
  ]) {
    for (const size of [1, 8, 100])
      await assert.rejects(readLongJson(Buffer.from(text), 50, size), /given twice/, text);
  }
  const twice = `{"b":1,"b":"${'x'.repeat(2_000_000)}"}`;
  await assert.rejects(readLongJson(Buffer.from(twice), 50), /A name is given twice/);
});

test('too deep, too many names in an object and bytes that are no UTF-8 are refused behind a cut', async () => {
  await assert.rejects(readLongJson(Buffer.from('[1,[2,[3]]]'), 2, 1), /nested deeper than 2/);
  const names = Array.from({ length: 10_001 }, (_, index) => `"${index}":0`).join();
  await assert.rejects(readLongJson(Buffer.from(`{${names}}`), 2), { code: 'PAYLOAD_TOO_LARGE' });
  const bytes = Buffer.concat([Buffer.from('["a","'), Buffer.from([0xc3]), Buffer.from('","b"]')]);
  await assert.rejects(readLongJson(bytes, 2, 1), /not valid UTF-8/);
});
