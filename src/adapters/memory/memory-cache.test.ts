import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryCache } from './memory-cache.ts';

const entry = (value: unknown, sizeBytes = 1000, expiresMs = 100) => ({
  value,
  sizeBytes,
  freshUntilMs: expiresMs,
  expiresMs,
});

test('what was used least recently goes when the bytes are full, and is counted', () => {
  const cache = new MemoryCache(4000);
  for (const key of ['a', 'b', 'c']) cache.set(key, entry(key));
  assert.equal(cache.get('a', 0)?.value, 'a');
  cache.set('d', entry('d'));
  assert.equal(cache.get('b', 0), undefined);
  assert.deepEqual(
    ['a', 'c', 'd'].map((key) => cache.get(key, 0)?.value),
    ['a', 'c', 'd'],
  );
  const { entries, bytes, evictions } = cache.status();
  assert.deepEqual([entries, evictions], [3, 1]);
  assert.ok(bytes > 3000 && bytes <= 4000);
});

test('an entry is gone from its expiry on, and its bytes with it', () => {
  const cache = new MemoryCache(4000);
  cache.set('a', entry('a'));
  assert.equal(cache.get('a', 99)?.value, 'a');
  assert.equal(cache.get('a', 100), undefined);
  assert.equal(cache.status().bytes, 0);
  assert.equal(cache.status().evictions, 0);
});

test('what is larger than the whole tier is not kept and displaces nothing', () => {
  const cache = new MemoryCache(4000);
  cache.set('a', entry('a'));
  cache.set('huge', entry('huge', 4000));
  assert.equal(cache.get('huge', 0), undefined);
  assert.equal(cache.get('a', 0)?.value, 'a');
});

test('setting a key again replaces the value and its size', () => {
  const cache = new MemoryCache(10_000);
  cache.set('a', entry('old', 5000));
  cache.set('a', entry('new', 100));
  assert.equal(cache.get('a', 0)?.value, 'new');
  assert.ok(cache.status().bytes < 1000);
});

test('a prefix drops its entries and no others', () => {
  const cache = new MemoryCache(100_000);
  for (const key of ['\x01aa1', '\x01aa2', '\x01ab1', 'f:1']) cache.set(key, entry(key));
  assert.deepEqual(cache.usageByPrefix(3).get('\x01aa')?.entries, 2);
  assert.equal(cache.deletePrefix('\x01aa'), 2);
  assert.equal(cache.get('\x01aa1', 0), undefined);
  assert.equal(cache.get('\x01ab1', 0)?.value, '\x01ab1');
  assert.equal(cache.get('f:1', 0)?.value, 'f:1');
});

test('shrinking keeps what was used last', () => {
  const cache = new MemoryCache(100_000);
  for (let index = 0; index < 20; index++) cache.set(`k${index}`, entry(index));
  const half = Math.floor(cache.status().bytes / 2);
  cache.shrinkTo(half);
  assert.ok(cache.status().bytes <= half);
  assert.equal(cache.get('k19', 0)?.value, 19);
  assert.equal(cache.get('k0', 0), undefined);
  cache.clear();
  assert.deepEqual([cache.status().entries, cache.status().bytes], [0, 0]);
});
