import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cacheDirectiveOf } from './cache-directive.ts';

test('no-cache and no-store are found among other directives, whatever their case; the rest says nothing', () => {
  const said: [string | undefined, ReturnType<typeof cacheDirectiveOf>][] = [
    [undefined, undefined],
    ['', undefined],
    ['no-cache', 'no-cache'],
    ['No-Cache', 'no-cache'],
    ['max-age=0, no-cache', 'no-cache'],
    ['no-cache="set-cookie"', 'no-cache'],
    ['no-cache,no-store', 'no-store'],
    [' no-store ', 'no-store'],
    ['max-age=0', undefined],
    ['x-no-store', undefined],
    ['no-cached', undefined],
  ];
  for (const [header, directive] of said) assert.equal(cacheDirectiveOf(header), directive, String(header));
});
