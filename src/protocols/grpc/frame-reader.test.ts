import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MessagePool } from '../message-pool.ts';
import { FrameReader } from './frame-reader.ts';
import { ReceiveBudget } from './receive-budget.ts';

function framed(message: Uint8Array, flag: number): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** What comes out of bytes that arrive in pieces that end at `cuts`. */
function readAll(bytes: Buffer, cuts: readonly number[], maxBytes = 4 * 1024 * 1024) {
  const messages: { bytes: Buffer; compressed: boolean }[] = [];
  const budget = new ReceiveBudget(8 * 1024 * 1024);
  const reader = new FrameReader(maxBytes, budget, new MessagePool(), (message, compressed) =>
    messages.push({ bytes: message, compressed }),
  );
  let start = 0;
  for (const cut of [...cuts.map((at) => Math.min(at, bytes.length)).sort((a, b) => a - b), bytes.length]) {
    reader.push(bytes.subarray(start, cut));
    start = cut;
  }
  return { messages, reader };
}

describe('FrameReader', () => {
  it('finds the messages however their bytes are cut', () => {
    const message = fc.record({ bytes: fc.uint8Array({ maxLength: 50 }), compressed: fc.boolean() });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.nat(300), { maxLength: 12 }), (wanted, cuts) => {
        const bytes = Buffer.concat(wanted.map(({ bytes, compressed }) => framed(bytes, compressed ? 1 : 0)));
        const { messages, reader } = readAll(bytes, cuts);
        assert.deepEqual(
          messages.map(({ bytes, compressed }) => [[...bytes], compressed]),
          wanted.map(({ bytes, compressed }) => [[...bytes], compressed]),
        );
        assert.equal(reader.isBetweenMessages, true);
      }),
    );
  });

  it('says whether a message is a part of what it was given', () => {
    const read = (...pieces: Buffer[]) => {
      const reader = new FrameReader(100_000, new ReceiveBudget(0), new MessagePool(), () => {});
      return pieces.map((piece) => reader.push(piece));
    };
    const bytes = framed(Buffer.alloc(100), 0);
    assert.deepEqual(read(bytes), [true]);
    assert.deepEqual(read(bytes.subarray(0, 50), bytes.subarray(50)), [false, false]);
    assert.deepEqual(read(bytes.subarray(0, 5), bytes.subarray(5)), [false, true]);
    assert.deepEqual(read(Buffer.concat([bytes, bytes.subarray(0, 20)]), bytes.subarray(20)), [true, false]);
  });

  it('does not copy a message that arrives in one piece', () => {
    const bytes = framed(Buffer.from('hello'), 0);
    const { messages } = readAll(bytes, []);
    assert.equal(messages[0]!.bytes.buffer, bytes.buffer);
  });

  it('collects a message of several megabytes from small pieces', () => {
    const body = Buffer.alloc(3 * 1024 * 1024 + 7);
    for (let index = 0; index < body.length; index += 1000) body[index] = index % 251;
    const cuts = Array.from({ length: 200 }, (_, index) => (index + 1) * 16_000);
    assert.ok(readAll(framed(body, 0), cuts).messages[0]!.bytes.equals(body));
  });

  it('knows that it stands within a message', () => {
    for (const length of [1, 4, 5, 8]) {
      assert.equal(readAll(framed(Buffer.from('hello'), 0).subarray(0, length), []).reader.isBetweenMessages, false);
    }
  });

  it('refuses a message beyond the limit by its prefix alone', () => {
    assert.throws(() => readAll(framed(Buffer.alloc(11), 0).subarray(0, 5), [], 10), {
      code: 'PAYLOAD_TOO_LARGE',
      message: 'The message has 11 bytes; expected at most 10.',
    });
    assert.equal(readAll(framed(Buffer.alloc(10), 0), [], 10).messages.length, 1);
  });

  it('holds memory for large messages only while they arrive, and no more than there is', () => {
    const mib = 1024 * 1024;
    const budget = new ReceiveBudget(5 * mib);
    const start = () => {
      const reader = new FrameReader(8 * mib, budget, new MessagePool(), () => {});
      reader.push(framed(Buffer.alloc(3 * mib), 0).subarray(0, mib));
      return reader;
    };
    const first = start();
    assert.equal(budget.usedBytes, 0, 'the first megabyte is free');
    first.push(Buffer.alloc(10));
    assert.equal(budget.usedBytes, 3 * mib);
    const second = start();
    assert.throws(() => second.push(Buffer.alloc(10)), { code: 'OVERLOADED' });
    first.push(Buffer.alloc(2 * mib - 5));
    assert.equal(budget.usedBytes, 0);
    const third = start();
    third.push(Buffer.alloc(10));
    assert.equal(budget.usedBytes, 3 * mib);
    third.discard();
    third.discard();
    assert.equal(budget.usedBytes, 0);
  });

  it('refuses an unknown flag', () => {
    assert.throws(() => readAll(framed(Buffer.alloc(1), 2), []), { code: 'INVALID_INPUT' });
  });
});
