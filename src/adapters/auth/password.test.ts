import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePasswordHash } from '../../config/auth-fields.ts';
import { decoyHash, hashPassword, verifyPassword } from './password.ts';

describe('a password hash', () => {
  it('fits its password and no other, and is different each time', async () => {
    const [one, other] = await Promise.all([hashPassword('pässword 1'), hashPassword('pässword 1')]);
    assert.match(one, /^scrypt\$N=16384,r=8,p=5\$[\w-]{22}\$[\w-]{43}$/);
    assert.notEqual(one, other);
    const stored = parsePasswordHash(one)!;
    assert.equal(await verifyPassword('pässword 1', stored), true);
    // The same letters, written with a combining mark.
    assert.equal(await verifyPassword('pa\u0308ssword 1', stored), true);
    assert.equal(await verifyPassword('pässword 2', stored), false);
    assert.equal(await verifyPassword('', stored), false);
  });

  it('is the one of RFC 7914 for its parameters', async () => {
    const hash = Buffer.from(
      'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
      'hex',
    );
    const stored = { cost: 1024, blockSize: 8, parallel: 16, salt: Buffer.from('NaCl'), hash };
    assert.equal(await verifyPassword('password', stored), true);
  });

  it('has a decoy with the same parameters that fits nothing', async () => {
    const stored = parsePasswordHash(`scrypt$N=1024,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(22)}`)!;
    const decoy = decoyHash(stored);
    assert.deepEqual([decoy.cost, decoy.blockSize, decoy.parallel, decoy.hash.length], [1024, 8, 1, 16]);
    assert.equal(await verifyPassword('', decoy), false);
  });
});
