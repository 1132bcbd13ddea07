import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import { isExposed, openKeyFile, readKeyFile, rotateKeyFile } from './key-file.ts';
import { openOwnKeys } from './own-keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-keys-'));
after(() => rmSync(folder, { recursive: true }));

describe('the file of token keys', () => {
  it('is made whole, for its owner only, and leaves nothing else behind', async () => {
    const path = join(folder, 'new', 'keys.json');
    const { keys } = await openKeyFile(path, 5);
    assert.deepEqual([keys.length, keys[0]!.alg, keys[0]!.createdMs], [1, 'EdDSA', 5]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(await isExposed(path), false);
    assert.deepEqual(readdirSync(join(folder, 'new')), ['keys.json']);
    assert.deepEqual((await openKeyFile(path, 6)).keys, keys);
    chmodSync(path, 0o640);
    assert.equal(await isExposed(path), true);
  });

  it('is the same for all who make it at the same time', async () => {
    const path = join(folder, 'race.json');
    const opened = await Promise.all(Array.from({ length: 20 }, () => openKeyFile(path, 0)));
    assert.equal(new Set(opened.map(({ keys }) => keys[0]!.kid)).size, 1);
  });

  it('is refused with a sentence when it is something else, and never overwritten', async () => {
    const path = join(folder, 'broken.json');
    for (const text of ['', '{', '{}', '{"keys": []}', '{"keys": [{"kid": "a", "alg": "HS256", "jwk": {"k": "x"}}]}']) {
      writeFileSync(path, text);
      await assert.rejects(openKeyFile(path, 0), /is not a file of token keys/);
      assert.equal(readFileSync(path, 'utf8'), text);
    }
  });

  it('keeps a rotated key until its tokens have expired, then drops it', async () => {
    const path = join(folder, 'rotate.json');
    const [first] = (await openKeyFile(path, 0)).keys;
    const second = await rotateKeyFile(path, 'ES256', 1000, 5000);
    assert.deepEqual(
      second.keys.map(({ alg, verifyUntilMs }) => [alg, verifyUntilMs]),
      [
        ['EdDSA', 5000],
        ['ES256', undefined],
      ],
    );
    assert.equal(second.keys[0]!.kid, first!.kid);
    const third = await rotateKeyFile(path, 'EdDSA', 5000, 9000);
    assert.deepEqual(
      third.keys.map(({ alg }) => alg),
      ['ES256', 'EdDSA'],
    );
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it('is rotated by one process at a time', async () => {
    const path = join(folder, 'lock.json');
    await openKeyFile(path, 0);
    writeFileSync(`${path}.lock`, '');
    await assert.rejects(rotateKeyFile(path, 'EdDSA', 0, 1), /Another process rotates/);
    rmSync(`${path}.lock`);
    await rotateKeyFile(path, 'EdDSA', 0, 1);
    assert.equal(existsSync(`${path}.lock`), false);
    assert.equal((await readKeyFile(path))!.keys.length, 2);
  });
});

describe('the keys of a running server', () => {
  it('change with the file: new tokens by the new key, old ones accepted until their time', async () => {
    const path = join(folder, 'live.json');
    let nowMs = 1_700_000_000_000;
    const options = { path, issuer: 'hotpath', audience: 'hotpath', ttlMs: 60_000, unixMs: () => nowMs };
    const [signer, verifier] = [await openOwnKeys(options), await openOwnKeys(options)];
    const kidOf = async () => decodeProtectedHeader(await signer.sign({ sub: 'a', role: 'predict' })).kid!;
    const before = await kidOf();
    await rotateKeyFile(path, 'ES256', nowMs, nowMs + 100_000);
    const next = await kidOf();
    assert.notEqual(next, before);
    // The verifier has not looked at the file since.
    assert.ok(await verifier.find(next, 'ES256'));
    assert.equal(await verifier.find(next, 'EdDSA'), undefined);
    assert.ok(await verifier.find(before, 'EdDSA'));
    assert.equal((await verifier.jwks()).keys.length, 2);
    nowMs += 100_000;
    assert.equal(await verifier.find(before, 'EdDSA'), undefined);
    assert.deepEqual(
      (await verifier.jwks()).keys.map(({ kid }) => kid),
      [next],
    );
  });

  it('go on while the file is gone or broken', async () => {
    const path = join(folder, 'gone.json');
    const keys = await openOwnKeys({ path, issuer: 'a', audience: 'a', ttlMs: 1000, unixMs: Date.now });
    writeFileSync(path, 'broken');
    assert.equal(typeof (await keys.sign({ sub: 'a', role: 'predict' })), 'string');
    rmSync(path);
    assert.equal((await keys.jwks()).keys.length, 1);
  });
});
