import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyPool } from './body-pool.ts';

const size = 200 * 1024;

test('a buffer given back is the next one of its length, and of no other', () => {
  const pool = new BodyPool();
  const buffer = pool.take(size);
  pool.give(buffer);
  assert.notEqual(pool.take(size - 1), buffer);
  assert.equal(pool.take(size), buffer);
  assert.notEqual(pool.take(size), buffer);
});

test('parts of a shared buffer and small ones are not kept', () => {
  const pool = new BodyPool();
  const part = Buffer.alloc(2 * size).subarray(0, size);
  pool.give(part);
  assert.notEqual(pool.take(size), part);
  const small = Buffer.allocUnsafeSlow(100);
  pool.give(small);
  assert.notEqual(pool.take(100), small);
});

test('holds 32 MiB at the most', () => {
  const pool = new BodyPool();
  const large: Buffer[] = Array.from({ length: 3 }, () => Buffer.allocUnsafeSlow(15 * 1024 * 1024));
  for (const buffer of large) pool.give(buffer);
  const taken = large.map((buffer) => pool.take(buffer.length));
  assert.equal(taken.filter((buffer) => large.includes(buffer)).length, 2);
});
