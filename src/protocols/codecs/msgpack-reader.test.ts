import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMsgpack } from './msgpack-reader.ts';

/** A list of `count` times the same value. */
function listOf(count: number, ...value: number[]): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt8(0xdd);
  head.writeUInt32BE(count, 1);
  return Buffer.concat([head, Buffer.alloc(count * value.length, Buffer.from(value))]);
}

function mapOf(count: number): Uint8Array {
  const head = Buffer.alloc(3);
  head.writeUInt8(0xde);
  head.writeUInt16BE(count, 1);
  const entry = (index: number) => `\xa4${index.toString(36).padStart(4, '0')}\x01`;
  return Buffer.concat([head, Buffer.from(Array.from({ length: count }, (_, i) => entry(i)).join(''), 'latin1')]);
}

const tooLarge = { name: 'HotpathError', code: 'PAYLOAD_TOO_LARGE' };

test('an object of 10000 names is read and one of 10001 refused', () => {
  assert.equal(Object.keys(readMsgpack(mapOf(10_000), 2) as object).length, 10_000);
  assert.throws(() => readMsgpack(mapOf(10_001), 2), tooLarge);
});

test('lists, maps, strings and bins count as five values of the million, 64-bit integers as two', () => {
  const few = 199_999;
  for (const [name, value, fits] of [
    ['integers', [1], 999_996],
    ['64-bit integers', [0xcf, 0, 0, 0, 0, 0, 0, 0, 1], 499_998],
    ['lists', [0x90], few],
    ['maps', [0x80], few],
    ['strings', [0xa2, 0xc3, 0xa9], few],
    ['bins', [0xc4, 0], few],
  ] as const) {
    assert.equal((readMsgpack(listOf(fits, ...value), 2) as unknown[]).length, fits, name);
    assert.throws(() => readMsgpack(listOf(fits + 1, ...value), 2), tooLarge, name);
  }
});
