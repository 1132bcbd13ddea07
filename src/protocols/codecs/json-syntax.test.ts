import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findSyntaxError } from './json-syntax.ts';

test('the error is at the first token that cannot stand there', () => {
  for (const [text, position] of [
    ['', 0],
    [' [1,2', 5],
    ['[1,]', 3],
    ['[01]', 2],
    ['[-]', 1],
    ['[1.]', 2],
    ['[1e+]', 2],
    ['[tru]', 1],
    ['["\\x"]', 1],
    ['["\\u12g4"]', 1],
    ['["\n"]', 1],
    ['["a', 1],
    ['["\\', 1],
    ['{"a" 1}', 5],
    ['{1:2}', 1],
    ['[1}', 2],
    ['1 2', 2],
    ['[0.5e-7,-0,true,false,null,"\\u00Ff\\n"]]', 38],
  ] as const) {
    assert.equal(findSyntaxError(text), position, text);
  }
});

test('all before the error can be the beginning of JSON, and valid JSON ends where it ends', () => {
  const json = fc.json({ maxDepth: 4 });
  fc.assert(fc.property(json, (text) => assert.equal(findSyntaxError(text), text.length)));
  fc.assert(
    fc.property(json, fc.nat(), (text, at) => {
      const place = at % (text.length + 1);
      assert.ok(findSyntaxError(`${text.slice(0, place)}\u0000${text.slice(place)}`) <= place);
    }),
  );
});

test('a million escapes are passed without exhausting the stack', () => {
  const text = `["${'\\u0041'.repeat(1_000_000)}"`;
  assert.equal(findSyntaxError(`${text}}`), text.length);
});
