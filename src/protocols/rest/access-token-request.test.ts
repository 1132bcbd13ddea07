import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readTokenRequest } from './access-token-request.ts';

const form = 'application/x-www-form-urlencoded';
const read = (type: string | undefined, text: string) => readTokenRequest(type, new TextEncoder().encode(text));

test('any name and password arrive as they are, in a form and in JSON', () => {
  const word = fc.string({ minLength: 1, unit: 'grapheme' });
  fc.assert(
    fc.property(word, word, (username, password) => {
      const fields = { grant_type: 'password', username, password };
      const wanted = { username: username.toWellFormed(), password: password.toWellFormed() };
      assert.deepEqual(read(`${form}; charset=utf-8`, new URLSearchParams(fields).toString()), wanted);
      assert.deepEqual(read('application/json', JSON.stringify(fields)), { username, password });
    }),
  );
});

test('no body makes it throw', () => {
  fc.assert(
    fc.property(fc.constantFrom(form, 'application/json', undefined), fc.uint8Array(), (type, bytes) => {
      const answer = readTokenRequest(type, bytes);
      assert.ok('error' in answer || answer.username !== '');
    }),
  );
});

test('what is missing, twice or of another kind has a word and a sentence', () => {
  const cases: readonly (readonly [string | undefined, string, string, RegExp])[] = [
    [undefined, 'username=a&password=b', 'invalid_request', /^Content-Type/],
    [form, '', 'invalid_request', /^grant_type/],
    [form, 'grant_type=refresh_token', 'unsupported_grant_type', /^grant_type/],
    [form, 'grant_type=password&password=b', 'invalid_request', /^username/],
    [form, 'grant_type=password&username=a&password=', 'invalid_request', /^password/],
    [form, 'grant_type=password&username=a&username=b&password=c', 'invalid_request', /twice/],
    ['application/json', '[1', 'invalid_request', /malformed/],
    ['application/json', '{"username":1,"password":"b"}', 'invalid_request', /^username/],
    ['application/json', 'null', 'invalid_request', /malformed/],
  ];
  for (const [type, text, error, words] of cases) {
    const answer = read(type, text);
    assert.ok('error' in answer, text);
    assert.equal(answer.error, error, text);
    assert.match(answer.description, words, text);
  }
});
