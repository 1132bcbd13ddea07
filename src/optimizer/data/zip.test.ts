import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { readZip } from './zip.ts';

interface Member {
  readonly name: string;
  readonly content: Uint8Array;
  readonly deflate: boolean;
}

interface Lies {
  readonly flags?: number;
  readonly sizeBytes?: number;
  readonly comment?: string;
}

function zipOf(members: readonly Member[], { flags = 0, sizeBytes, comment = '' }: Lies = {}): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, content, deflate } of members) {
    const packed = deflate ? deflateRawSync(content) : content;
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(flags, 2);
    fields.writeUInt16LE(deflate ? 8 : 0, 4);
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(sizeBytes ?? content.length, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    directory.push(Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), fields, tail, Buffer.from(name));
    parts.push(local);
    at += local.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(members.length, 4);
  end.writeUInt16LE(members.length, 6);
  end.writeUInt32LE(listed.length, 8);
  end.writeUInt32LE(at, 12);
  end.writeUInt16LE(comment.length, 16);
  return new Uint8Array(Buffer.concat([...parts, listed, Buffer.from('PK\x05\x06'), end, Buffer.from(comment)]));
}

const members = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme-ascii' }),
    content: fc.uint8Array({ maxLength: 300 }),
    deflate: fc.boolean(),
  }),
  { selector: ({ name }) => name, maxLength: 5 },
);

const one: Member = { name: 'x.npy', content: new Uint8Array(500).fill(7), deflate: true };

describe('a ZIP archive', () => {
  it('gives back every member, stored or deflated, with or without a comment', () => {
    fc.assert(
      fc.property(members, fc.constantFrom('', 'made by PK'), (list, comment) => {
        const found = readZip(zipOf(list, { comment }));
        assert.deepEqual(
          found.map(({ name, read }) => [name, [...read()]]),
          list.map(({ name, content }) => [name, [...content]]),
        );
      }),
    );
  });

  it('is refused when encrypted, cut off, or no archive at all', () => {
    assert.throws(() => readZip(zipOf([one], { flags: 1 })), /"x\.npy" is encrypted/);
    assert.throws(() => readZip(zipOf([one]).slice(0, -10)), /has no directory/);
    assert.throws(() => readZip(new Uint8Array(0)), /has no directory/);
  });

  it('never unpacks more than the directory promised, nor believes an impossible promise', () => {
    assert.throws(() => readZip(zipOf([one], { sizeBytes: 20 }))[0]!.read(), /cannot be unpacked/);
    assert.throws(() => readZip(zipOf([one], { sizeBytes: 2 ** 31 }))[0]!.read(), /cannot have the size/);
  });

  it('notices changed content', () => {
    const stored = zipOf([{ ...one, deflate: false }]);
    stored[100] = 1;
    assert.throws(() => readZip(stored)[0]!.read(), /does not fit its checksum/);
  });

  it('never fails otherwise, whatever bytes are wrong', () => {
    const sound = zipOf([one, { name: 'y.npy', content: new Uint8Array(9), deflate: false }]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (edits) => {
          const bytes = sound.slice();
          for (const [at, value] of edits) bytes[at] = value;
          try {
            for (const member of readZip(bytes)) member.read();
          } catch (error) {
            assert.ok(error instanceof HotpathError, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
