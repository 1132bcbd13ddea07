import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../core/errors.ts';
import { readMessage, WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function written(fill: (writer: WireWriter) => void): Uint8Array {
  const writer = new WireWriter();
  fill(writer);
  return writer.finish();
}

describe('protobuf wire format', () => {
  it('writes the bytes of the protobuf documentation', () => {
    assert.equal(hex(written((w) => w.int(1, 150))), '089601');
    assert.equal(hex(written((w) => w.string(2, 'testing'))), '120774657374696e67');
    assert.equal(hex(written((w) => w.message(3, (child) => child.int(1, 150)))), '1a03089601');
    assert.equal(hex(written((w) => w.packedInts(6, [3, 270, 86942]))), '3206038e029ea705');
    assert.equal(hex(written((w) => w.float(2, 1.5))), '150000c03f');
  });

  it('writes negative integers as ten bytes of two’s complement', () => {
    assert.equal(hex(written((w) => w.int(1, -1))), '08ffffffffffffffffff01');
    assert.equal(hex(written((w) => w.int(1, -(2n ** 63n)))), '0880808080808080808001');
  });

  it('reads back every 64-bit integer', () => {
    fc.assert(
      fc.property(int64, fc.maxSafeInteger(), (wide, safe) => {
        const reader = new WireReader(written((w) => [w.int(1, wide), w.int(2, safe)]));
        reader.next();
        assert.equal(reader.bigint(), wide);
        reader.next();
        assert.equal(reader.int(), safe);
        assert.equal(reader.next(), false);
      }),
    );
  });

  it('keeps the order of fields around byte fields of any size and depth', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 4 }), (lengths, depth) => {
        const fill = (level: number) => (w: WireWriter) => {
          if (level > 0) return w.message(7, fill(level - 1));
          for (const [index, length] of lengths.entries()) {
            w.int(1, index);
            w.bytes(2, new Uint8Array(length).fill(index + 1));
          }
        };
        let bytes = written(fill(depth));
        for (let level = 0; level < depth; level++) {
          const reader = new WireReader(bytes);
          assert.ok(reader.next());
          bytes = reader.bytes();
        }
        const seen: [number | bigint, number, number | undefined][] = [];
        let index: number | bigint = -1;
        readMessage(bytes, (field, reader) => {
          if (field === 1) index = reader.int();
          else seen.push(((content) => [index, content.length, content.at(-1)])(reader.bytes()));
        });
        assert.deepEqual(
          seen,
          lengths.map((length, i) => [i, length, length === 0 ? undefined : i + 1]),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('reads lists packed and unpacked', () => {
    const bytes = written((w) => {
      w.packedInts(1, [5, -6]);
      w.int(1, 7);
      w.packedFloats(2, [0.5, -2]);
      w.float(2, 4);
    });
    const ints: (number | bigint)[] = [];
    const floats: number[] = [];
    readMessage(bytes, (field, reader) => (field === 1 ? reader.intsInto(ints) : reader.floatsInto(floats)));
    assert.deepEqual(ints, [5, -6, 7]);
    assert.deepEqual(floats, [0.5, -2, 4]);
  });

  it('refuses numbers that are no safe integers', () => {
    for (const value of [0.5, -0.5, 2 ** 53, Number.NaN]) {
      assert.throws(() => written((w) => w.int(1, value)), { code: 'INVALID_INPUT' });
    }
  });

  it('reads or refuses any bytes and never fails in another way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          readMessage(bytes, (field, reader) => {
            if (field % 4 === 1) reader.int();
            else if (field % 4 === 2) reader.string();
            else if (field % 4 === 3) reader.floatsInto([]);
          });
        } catch (error) {
          assert.ok(error instanceof HotpathError && error.code === 'INVALID_INPUT', String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
