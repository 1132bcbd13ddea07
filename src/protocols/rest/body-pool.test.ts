import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyPool } from './body-pool.ts';

const size = 200 * 1024;

test('a buffer given back is the next one of its length, and of no other', () => {
  const pool = new BodyPool();
  const buffer = pool.take(size);
  pool.give(buffer);
  assert.notEqual(pool.take(size - 1).buffer, buffer.buffer);
  assert.equal(pool.take(size).buffer, buffer.buffer);
  assert.notEqual(pool.take(size).buffer, buffer.buffer);
});

test('a body begins at the offset asked for, and its buffer serves other offsets', () => {
  const pool = new BodyPool();
  const body = pool.take(size, 5);
  assert.deepEqual([body.byteOffset, body.length, body.buffer.byteLength], [5, size, size + 5]);
  pool.give(body);
  const next = pool.take(size + 2, 3);
  assert.deepEqual([next.byteOffset, next.length], [3, size + 2]);
  assert.equal(next.buffer, body.buffer);
});

test('parts of a shared buffer and small ones are not kept', () => {
  const pool = new BodyPool();
  const part = Buffer.alloc(2 * size).subarray(0, size);
  pool.give(part);
  assert.notEqual(pool.take(size).buffer, part.buffer);
  const small = Buffer.allocUnsafeSlow(100);
  pool.give(small);
  assert.notEqual(pool.take(100).buffer, small.buffer);
});

test('holds 32 MiB at the most', () => {
  const pool = new BodyPool();
  const large: Buffer[] = Array.from({ length: 3 }, () => Buffer.allocUnsafeSlow(15 * 1024 * 1024));
  for (const buffer of large) pool.give(buffer);
  const memories = large.map(({ buffer }) => buffer);
  const taken = large.map(({ length }) => pool.take(length).buffer);
  assert.equal(taken.filter((memory) => memories.includes(memory)).length, 2);
});
