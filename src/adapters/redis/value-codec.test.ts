import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { decodeValue, encodeValue } from './value-codec.ts';

const nowMs = 1_800_000_000_000;
const maxBytes = 2 ** 24;

async function encode(value: Uint8Array, ttlMs = 1000): Promise<Buffer> {
  return encodeValue(value, nowMs + ttlMs);
}

const compressible = fc
  .tuple(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.integer({ min: 1, max: 2000 }))
  .map(([piece, times]) => {
    const value = new Uint8Array(piece.length * times);
    for (let offset = 0; offset < value.length; offset += piece.length) value.set(piece, offset);
    return value;
  });
const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 4000 }), compressible);

describe('a value in Redis', () => {
  it('is read as it was written, with what is left of its time', async () => {
    await fc.assert(
      fc.asyncProperty(anyBytes, fc.integer({ min: 1, max: 2_000_000_000 }), async (value, ttlMs) => {
        const found = await decodeValue(await encode(value, ttlMs), nowMs, maxBytes);
        assert.deepEqual(found, { value: new Uint8Array(value), ttlMs });
      }),
    );
  });

  it('is compressed when it is long and that helps', async () => {
    const [text, short] = [new Uint8Array(5000).fill(7), new Uint8Array(1000).fill(7)];
    const random = crypto.getRandomValues(new Uint8Array(5000));
    const large = new Uint8Array(500_000).fill(7);
    assert.ok((await encode(text)).length < 200);
    assert.ok((await encode(large)).length < 1000);
    assert.equal((await encode(short)).length, 1016);
    assert.equal((await encode(random)).length, 5016);
  });

  it('is compressed away from the event loop when it is large', () => {
    assert.ok(encodeValue(new Uint8Array(100_000), nowMs) instanceof Promise);
    assert.ok(encodeValue(new Uint8Array(10_000), nowMs) instanceof Buffer);
  });

  it('is also read as servers without zstd write it', async () => {
    const text = new TextEncoder().encode('hello '.repeat(5000));
    const header = (await encode(text)).subarray(0, 16);
    header[3] = 2;
    for (const length of [3000, text.length]) {
      header.writeUInt32BE(length, 4);
      const stored = Buffer.concat([header, deflateRawSync(text.subarray(0, length))]);
      assert.deepEqual((await decodeValue(stored, nowMs, maxBytes))?.value, text.slice(0, length));
    }
  });

  it('is absent when its time is over', async () => {
    const stored = await encode(new Uint8Array(10), 1000);
    assert.equal((await decodeValue(stored, nowMs + 999, maxBytes))?.ttlMs, 1);
    assert.equal(decodeValue(stored, nowMs + 1000, maxBytes), undefined);
    assert.equal(decodeValue(stored, nowMs + 5000, maxBytes), undefined);
  });

  it('is absent when it claims to be longer than allowed', async () => {
    for (const length of [900, 5000, 100_000]) {
      const stored = await encode(new Uint8Array(length));
      assert.equal((await decodeValue(stored, nowMs, length))?.value.length, length);
      assert.equal(await decodeValue(stored, nowMs, length - 1), undefined);
    }
  });

  it('is absent, not an error, when it is cut off or any other bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyBytes,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        async (value, share) => {
          const stored = await encode(value);
          const cut = stored.subarray(0, Math.floor(stored.length * share));
          assert.equal(await decodeValue(cut, nowMs, maxBytes), undefined);
        },
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, withMagic) => {
        const stored = withMagic ? Buffer.concat([Buffer.from([0x48, 0x50, 1]), bytes]) : Buffer.from(bytes);
        const found = await decodeValue(stored, nowMs, maxBytes);
        // Random bytes may happen to be a header; then they hold as many bytes as it says.
        assert.ok(found === undefined || (withMagic && found.value.length === stored.readUInt32BE(4)));
      }),
    );
  });

  it('is absent when a bit of compressed bytes changed', async () => {
    const text = new TextEncoder().encode(Array.from({ length: 400 }, (_, index) => `${index * 7919}`).join(','));
    const stored = await encode(text);
    assert.ok(stored.length < text.length);
    for (let offset = 16; offset < stored.length; offset += 7) {
      const changed = Buffer.from(stored);
      changed[offset]! ^= 0x10;
      const found = await decodeValue(changed, nowMs, maxBytes);
      if (found !== undefined) assert.deepEqual(found.value, text);
    }
  });

  it('owns its memory', async () => {
    for (const length of [10, 2000, 100_000]) {
      const chunk = Buffer.concat([Buffer.alloc(500_000), await encode(new Uint8Array(length))]);
      const found = await decodeValue(chunk.subarray(500_000), nowMs, maxBytes);
      assert.ok(found!.value.buffer.byteLength <= 2 * length);
    }
  });
});
