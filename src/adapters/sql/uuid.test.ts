import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { bytesToUuid, firstIdOf, isUuid, timeOfId, uuidToBytes } from './uuid.ts';

/** As RFC 9562, section 5.7: 48 bits of time, version 7, variant 10, the rest anything. */
const uuid7 = fc.tuple(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.uuid({ version: 7 })).map(([ms, random]) => {
  const hex = ms.toString(16).padStart(12, '0');
  return { ms, id: `${hex.slice(0, 8)}-${hex.slice(8)}${random.slice(13)}` };
});

describe('ids', () => {
  it('become bytes and come back, in the same order', () => {
    fc.assert(
      fc.property(uuid7, uuid7, (a, b) => {
        assert.equal(bytesToUuid(uuidToBytes(a.id)), a.id);
        assert.equal(
          Buffer.compare(uuidToBytes(a.id), uuidToBytes(b.id)),
          Math.sign(a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
        );
      }),
    );
  });

  it('hold their time: the first id of a millisecond parts those before from those in it', () => {
    fc.assert(
      fc.property(uuid7, ({ ms, id }) => {
        assert.equal(timeOfId(id), ms);
        assert.ok(firstIdOf(ms) <= id);
        assert.ok(ms === 2 ** 48 - 1 || id < firstIdOf(ms + 1));
      }),
    );
  });

  it('have a first one for any time, also those no id can have', () => {
    assert.equal(firstIdOf(-5), '00000000-0000-0000-0000-000000000000');
    assert.equal(firstIdOf(Number.POSITIVE_INFINITY), 'ffffffff-ffff-0000-0000-000000000000');
    assert.equal(firstIdOf(1.5), firstIdOf(2));
    assert.ok(isUuid(firstIdOf(Date.now())));
  });

  it('are known from other texts', () => {
    for (const text of ['', 'x', `${firstIdOf(1)} `, `${firstIdOf(1)}\n`, firstIdOf(1).replaceAll('-', '')])
      assert.equal(isUuid(text), false);
  });
});
