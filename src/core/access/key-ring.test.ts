import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { HotpathError } from '../errors.ts';
import { createKey, describeKey, keyId, keyLength } from './api-key.ts';
import { parseKeyInput } from './key-input.ts';
import { noonMs, openWorld, testCrypto } from './testing/access-world.ts';

describe('an API key', () => {
  it('holds its id and 256 random bits as base64url', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 44, maxLength: 44 }), (bytes) => {
        let from = 0;
        const randomBytes = (count: number) => {
          from += count;
          return bytes.slice(from - count, from);
        };
        const crypto = { ...testCrypto, randomBytes };
        const { key, stored } = createKey({ name: 'x', role: 'predict' }, 0, crypto);
        assert.equal(key.length, keyLength);
        assert.match(key, /^hp_[0-9a-z]{12}_[\w-]{43}$/);
        assert.equal(keyId(key), stored.id);
        assert.equal(key.slice(16), Buffer.from(bytes.slice(12)).toString('base64url'));
        assert.deepEqual(Buffer.from(stored.hash), testCrypto.sha256(key));
      }),
    );
  });

  it('is described without its hash', () => {
    const { stored } = createKey(
      { name: 'ci', role: 'operate', models: ['iris'], limits: { burst: 3 }, expiresMs: noonMs },
      0,
      testCrypto,
    );
    const expected = {
      id: stored.id,
      name: 'ci',
      role: 'operate',
      models: ['iris'],
      limits: { burst: 3 },
      state: 'active',
      created: '1970-01-01T00:00:00.000Z',
      expires: '2024-10-04T12:00:00.000Z',
    };
    assert.deepEqual(describeKey(stored, noonMs - 1), expected);
    assert.deepEqual(describeKey(stored, noonMs), { ...expected, state: 'expired' });
    assert.equal(describeKey({ ...stored, revokedMs: 1000 }, noonMs).state, 'revoked');
  });

  it('is asked for with fields that are checked one by one', () => {
    const good = { name: 'ci', role: 'predict' };
    assert.deepEqual(parseKeyInput({ ...good, expiresInSeconds: 60, limits: { requestsPerSecond: 0.5 } }, 1000), {
      ...good,
      models: undefined,
      limits: { requestsPerSecond: 0.5 },
      expiresMs: 61_000,
    });
    const wrong: [string, unknown][] = [
      ['body', []],
      ['name', { ...good, name: '' }],
      ['name', { ...good, name: 'a\nb' }],
      ['role', { ...good, role: 'root' }],
      ['models', { ...good, models: [] }],
      ['models', { ...good, models: [1] }],
      ['limits', { ...good, limits: 5 }],
      ['limits.burst', { ...good, limits: { burst: 1.5 } }],
      ['limits.requestsPerSecond', { ...good, limits: { requestsPerSecond: 0 } }],
      ['limits.speed', { ...good, limits: { speed: 1 } }],
      ['expiresInSeconds', { ...good, expiresInSeconds: -1 }],
      ['admin', { ...good, admin: true }],
    ];
    for (const [field, body] of wrong) {
      const names = ({ code, details }: HotpathError) => code === 'INVALID_INPUT' && details?.field === field;
      assert.throws(() => parseKeyInput(body, 0), names, field);
    }
  });
});

describe('the key ring', () => {
  const reasonOf = (found: object) => (found as { reason?: string }).reason ?? 'accepted';

  it('knows a new key and forgets a revoked one without a restart', async () => {
    const { ring, addKey, stored, store, pass } = await openWorld();
    await ring.start();
    const key = addKey();
    assert.equal(reasonOf(ring.find(key)), 'unknown-key');
    await pass(2000);
    assert.equal(reasonOf(ring.find(key)), 'accepted');
    stored[0] = { ...stored[0]!, revokedMs: 1 };
    store.changes++;
    await pass(2000);
    assert.equal(reasonOf(ring.find(key)), 'revoked-key');
    ring.close();
  });

  it('goes on with the last known keys while the store is away, says so once, and catches up', async () => {
    const { ring, addKey, store, pass, lines } = await openWorld();
    const first = addKey();
    await ring.start();
    store.isAway = true;
    const second = addKey();
    for (let turn = 0; turn < 5; turn++) await pass(2000);
    assert.equal(reasonOf(ring.find(first)), 'accepted');
    assert.equal(reasonOf(ring.find(second)), 'unknown-key');
    assert.equal(lines.length, 1);
    store.isAway = false;
    await pass(2000);
    assert.equal(reasonOf(ring.find(second)), 'accepted');
    assert.equal(lines.length, 2);
    ring.close();
  });

  it('starts without the store and finds the keys when it comes', async () => {
    const { ring, addKey, store, pass } = await openWorld();
    store.isAway = true;
    const key = addKey();
    await ring.start();
    assert.equal(reasonOf(ring.find(key)), 'unknown-key');
    store.isAway = false;
    await pass(2000);
    assert.equal(reasonOf(ring.find(key)), 'accepted');
    ring.close();
  });

  it('refuses an expired key from its millisecond on', async () => {
    const { ring, addKey, clock } = await openWorld();
    const key = addKey({}, { expiresMs: noonMs + 500 });
    await ring.start();
    clock.advance(499);
    assert.equal(reasonOf(ring.find(key)), 'accepted');
    clock.advance(1);
    assert.equal(reasonOf(ring.find(key)), 'expired-key');
    ring.close();
  });

  it('compares digests of 32 bytes through the same function for known and unknown ids', async () => {
    const { ring, addKey, stored, compared } = await openWorld();
    const key = addKey();
    await ring.start();
    const wrong = `${key.slice(0, 16)}${'A'.repeat(43)}`;
    const unknown = `hp_000000000000_${'A'.repeat(43)}`;
    assert.equal(reasonOf(ring.find(key)), 'accepted');
    assert.equal(reasonOf(ring.find(wrong)), 'wrong-key');
    assert.equal(reasonOf(ring.find(unknown)), 'unknown-key');
    assert.deepEqual(compared, [stored[0]!.hash, stored[0]!.hash, new Uint8Array(32)]);
    ring.close();
  });

  it('stops looking when it is closed, also in the middle of a look', async () => {
    const { ring, clock, pass } = await openWorld();
    await ring.start();
    clock.advance(2000);
    ring.close();
    await pass(10_000);
    clock.runToEnd();
    assert.ok(clock.now() < 20_000);
  });
});
