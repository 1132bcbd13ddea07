import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessagePool } from './message-pool.ts';

const large = 600_007;

describe('MessagePool', () => {
  it('gives memory that was given back to the next message of nearly the same length', () => {
    const pool = new MessagePool();
    const first = pool.take(large);
    assert.notEqual(pool.take(large).buffer, first.buffer);
    pool.give(first);
    const second = pool.take(large - 5);
    assert.equal(second.length, large - 5);
    assert.equal(second.buffer, first.buffer);
    assert.notEqual(pool.take(large).buffer, first.buffer);
  });

  it('ends every message on an aligned address', () => {
    const pool = new MessagePool();
    for (const length of [1, 1001, large]) {
      const message = pool.take(length);
      assert.equal((message.byteOffset + message.length) % 8, 0);
      assert.equal(message.length, length);
    }
  });

  it('takes back only what it has lent, once', () => {
    const pool = new MessagePool();
    const stranger = Buffer.from(new ArrayBuffer(8192 * 16));
    pool.give(stranger);
    assert.notEqual(pool.take(stranger.length).buffer, stranger.buffer);
    const message = pool.take(large);
    pool.give(message);
    pool.give(message);
    assert.equal(pool.take(large).buffer, message.buffer);
    assert.notEqual(pool.take(large).buffer, message.buffer);
  });

  it('keeps a bounded amount', () => {
    const pool = new MessagePool();
    const messages = Array.from({ length: 5 }, () => pool.take(10 * 1024 * 1024));
    const memories = new Set(messages.map(({ buffer }) => buffer));
    for (const message of messages) pool.give(message);
    const again = Array.from({ length: 5 }, () => pool.take(10 * 1024 * 1024));
    assert.equal(again.filter(({ buffer }) => memories.has(buffer)).length, 3);
  });
});
