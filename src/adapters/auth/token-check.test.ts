import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { AuthIssuer, AuthUser } from '../../ports/access-config.ts';
import { openOwnKeys } from './own-keys.ts';
import { createTokenCheck } from './token-check.ts';
import { importKeys, selectKey } from './verification-keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-tokens-'));
after(() => rmSync(folder, { recursive: true }));

const nowMs = 1_700_000_000_000;
const now = nowMs / 1000;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicJwk = (key: KeyObject, kid?: string) => ({ ...key.export({ format: 'jwk' }), ...(kid ? { kid } : {}) });

const rules: AuthIssuer = {
  issuer: 'https://id.example',
  audience: ['hotpath', 'other-name'],
  jwksUrl: 'https://id.example/keys',
  algorithms: ['RS256', 'ES256'],
  role: 'operate',
  roleClaim: 'realm_access.roles',
  limits: { requestsPerSecond: 5 },
};
const jwks = [publicJwk(rsa.publicKey, 'r1'), publicJwk(otherRsa.publicKey, 'r2'), publicJwk(ec.publicKey, 'e1')];
const keys = await importKeys(jwks, rules.algorithms);
const ann = { name: 'ann', role: 'operate', models: ['iris'], limits: { burst: 2 } } as unknown as AuthUser;
const users = new Map([['ann', ann]]);
const own = await openOwnKeys({
  path: join(folder, 'keys.json'),
  issuer: 'hotpath',
  audience: 'hotpath-api',
  ttlMs: 900_000,
  unixMs: () => nowMs,
});
const check = await createTokenCheck({
  own: { issuer: 'hotpath', audience: 'hotpath-api', keys: own, users },
  issuers: [{ rules, keys: { find: async (kid, alg) => selectKey(keys, kid, alg) } }],
  unixMs: () => nowMs,
});

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const goodHeader = { alg: 'RS256', kid: 'r1' };
const goodClaims = {
  iss: rules.issuer,
  aud: 'hotpath',
  sub: 'svc',
  exp: now + 60,
  realm_access: { roles: ['predict'] },
};

function rs256(header: object, claims: unknown, key = rsa.privateKey): string {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
}

async function outcome(token: string): Promise<unknown> {
  const checked = await check(token);
  return 'reason' in checked ? checked.reason : checked.caller;
}
const withClaims = (claims: object) => outcome(rs256(goodHeader, { ...goodClaims, ...claims }));
const withHeader = (header: object) => outcome(rs256({ ...goodHeader, ...header }, goodClaims));

describe('a foreign token', () => {
  it('becomes a caller with the role, the scope and the limits that its issuer may give', async () => {
    assert.deepEqual(await withClaims({ models: ['iris', 'fraud-*'] }), {
      id: 'token:https://id.example/svc',
      role: 'predict',
      models: ['iris', 'fraud-*'],
      limits: { requestsPerSecond: 5 },
    });
    const checked = await check(rs256(goodHeader, goodClaims));
    assert.equal((checked as { untilMs: number }).untilMs, (now + 120) * 1000);
  });

  it('has the highest role it names, capped by the issuer’s', async () => {
    const roleOf = async (roles: unknown) => {
      const caller = (await withClaims({ realm_access: { roles } })) as { role?: string };
      return caller.role ?? caller;
    };
    assert.equal(await roleOf(['predict', 'operate', 'x']), 'operate');
    assert.equal(await roleOf(['admin']), 'operate');
    assert.equal(await roleOf('openid predict'), 'predict');
    for (const none of [['root'], [], 'administrator', undefined, { admin: true }, 7])
      assert.equal(await roleOf(none), 'no-role');
  });

  it('is refused with a subject or a scope that cannot be trusted in a log or a rule', async () => {
    for (const sub of ['', 'a\nb', 'a\u0000', 'a\u2028b', 'x'.repeat(257), 5]) {
      assert.match(String(await withClaims({ sub })), /bad-claims|malformed/, JSON.stringify(sub));
    }
    for (const models of ['iris', [1], {}, null]) assert.equal(await withClaims({ models }), 'bad-claims');
  });

  it('is refused unsigned, or signed by what is no key of its issuer', async () => {
    const claims = encode(goodClaims);
    assert.equal(await outcome(`${encode({ alg: 'none' })}.${claims}.`), 'malformed');
    assert.equal(await outcome(`${encode({ alg: 'none' })}.${claims}.AAAA`), 'bad-algorithm');
    assert.equal(await outcome(`${encode({ alg: 'None', kid: 'r1' })}.${claims}.AAAA`), 'bad-algorithm');
    assert.equal(await outcome(rs256(goodHeader, goodClaims, otherRsa.privateKey)), 'bad-signature');
    const [header, , signature] = rs256(goodHeader, goodClaims).split('.');
    assert.equal(await outcome(`${header}.${encode({ ...goodClaims, sub: 'root' })}.${signature}`), 'bad-signature');
  });

  it('is refused when the public key was used as a shared secret', async () => {
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
    for (const secret of [pem, JSON.stringify(jwks[0]), 'r1']) {
      const text = `${encode({ alg: 'HS256', kid: 'r1' })}.${encode(goodClaims)}`;
      const mac = createHmac('sha256', secret).update(text).digest('base64url');
      assert.equal(await outcome(`${text}.${mac}`), 'bad-algorithm');
    }
  });

  it('is refused with an algorithm that is not its key’s', async () => {
    assert.equal(await withHeader({ alg: 'ES256' }), 'unknown-token-key');
    assert.equal(await withHeader({ alg: 'RS512' }), 'bad-algorithm');
    assert.equal(await withHeader({ kid: 'e1' }), 'unknown-token-key');
    assert.equal(await withHeader({ kid: 'r2' }), 'bad-signature');
  });

  it('is refused with a key id that names nothing, whatever it looks like', async () => {
    for (const kid of [
      'r3',
      '',
      '../../dev/null',
      '__proto__',
      "' OR 1=1 --",
      'constructor',
      7,
      ['r1'],
      { r1: 1 },
      null,
    ]) {
      assert.match(String(await withHeader({ kid })), /unknown-token-key|malformed/, JSON.stringify(kid));
    }
    // Two RSA keys: without an id it is not known which.
    assert.equal(await withHeader({ kid: undefined }), 'unknown-token-key');
  });

  it('brings no key of its own: jku, x5u, x5c and jwk are not looked at', async () => {
    const attacker = otherRsa;
    const brought = {
      jwk: publicJwk(attacker.publicKey, 'r1'),
      jku: 'https://evil.example/keys',
      x5u: 'https://evil.example/cert',
      x5c: ['AAAA'],
    };
    assert.equal(await outcome(rs256({ ...goodHeader, ...brought }, goodClaims, attacker.privateKey)), 'bad-signature');
    assert.equal(
      await outcome(rs256({ ...brought, alg: 'RS256', kid: 'x' }, goodClaims, attacker.privateKey)),
      'unknown-token-key',
    );
  });

  it('is refused with extensions it calls critical, and as a token of another kind', async () => {
    assert.equal(await withHeader({ crit: ['b64'], b64: false }), 'malformed');
    assert.equal(await withHeader({ crit: [] }), 'malformed');
    assert.equal(await withHeader({ crit: ['exp'], exp: 1 }), 'malformed');
    assert.equal(await withHeader({ typ: 'dpop+jwt' }), 'malformed');
    assert.equal(((await withHeader({ typ: 'AT+jwt' })) as { role: string }).role, 'predict');
  });

  it('is refused from another issuer and for another audience', async () => {
    for (const iss of ['https://id.example/', 'HTTPS://id.example', 'hotpath', undefined, '', '__proto__']) {
      assert.match(String(await withClaims({ iss })), /unknown-issuer|unknown-token-key|bad-algorithm/, String(iss));
    }
    for (const aud of ['hotpath-api', ['x'], [], undefined, 'Hotpath'])
      assert.equal(await withClaims({ aud }), 'wrong-audience');
    assert.equal(((await withClaims({ aud: ['x', 'other-name'] })) as { role: string }).role, 'predict');
  });

  it('is accepted from nbf until exp, give or take a minute', async () => {
    const isAccepted = async (claims: object) => typeof (await withClaims(claims)) === 'object';
    assert.equal(await isAccepted({ exp: now - 59 }), true);
    assert.equal(await withClaims({ exp: now - 60 }), 'expired-token');
    assert.equal(await isAccepted({ nbf: now + 60 }), true);
    assert.equal(await withClaims({ nbf: now + 61 }), 'early-token');
    assert.equal(await withClaims({ exp: undefined }), 'bad-claims');
    assert.match(String(await withClaims({ exp: '9999999999' })), /bad-claims|malformed/);
  });

  it('is refused when it is cut anywhere, or is no token at all', async () => {
    const token = rs256(goodHeader, goodClaims);
    for (let length = 0; length < token.length; length += 7)
      assert.equal(typeof (await outcome(token.slice(0, length))), 'string');
    for (const text of [
      'a.b',
      'a.b.c.d',
      '...',
      'a.b.c',
      `${token}=`,
      `${token} `,
      encode([]),
      `${encode([])}.${encode([])}.AA`,
      `bnVsbA.bnVsbA.AA`,
    ]) {
      assert.equal(await outcome(text), 'malformed', text);
    }
  });
});

describe('an own token', () => {
  it('is accepted as the user it was made for', async () => {
    assert.deepEqual(await outcome(await own.sign({ sub: 'ann', role: 'operate' })), {
      id: 'user:ann',
      role: 'operate',
      models: ['iris'],
      limits: { burst: 2 },
    });
  });

  it('may no more than the settings let its user now', async () => {
    assert.equal(((await outcome(await own.sign({ sub: 'ann', role: 'admin' }))) as { role: string }).role, 'operate');
    assert.equal(
      ((await outcome(await own.sign({ sub: 'ann', role: 'predict' }))) as { role: string }).role,
      'predict',
    );
    assert.equal(await outcome(await own.sign({ sub: 'bob', role: 'admin' })), 'unknown-user');
    assert.equal(await outcome(await own.sign({ sub: 'ann', role: 'root' })), 'bad-claims');
  });

  it('cannot be signed by a foreign issuer', async () => {
    const claims = { ...goodClaims, iss: 'hotpath', aud: 'hotpath-api', sub: 'ann', role: 'admin' };
    assert.equal(await outcome(rs256(goodHeader, claims)), 'bad-algorithm');
  });

  it('is verified by the published keys, which hold nothing private', async () => {
    const { keys: published } = await own.jwks();
    assert.equal(published.length, 1);
    assert.deepEqual(Object.keys(published[0]!).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x']);
    const [header] = (await own.sign({ sub: 'ann', role: 'predict' })).split('.');
    assert.equal(JSON.parse(Buffer.from(header!, 'base64url').toString()).kid, published[0]!.kid);
  });
});

describe('a key set', () => {
  it('is read without its shared secrets, encryption keys and nonsense', async () => {
    const usable = await importKeys(
      [
        { kty: 'oct', k: 'AAAA', kid: 'a' },
        { ...publicJwk(rsa.publicKey, 'b'), use: 'enc' },
        { ...publicJwk(rsa.publicKey, 'c'), alg: 'PS256' },
        { kty: 'RSA', n: '!', e: 'AQAB', kid: 'd' },
        null,
        5,
        publicJwk(rsa.privateKey, 'e'),
      ],
      ['RS256', 'ES256'],
    );
    assert.deepEqual(
      usable.map(({ kid, alg, key }) => [kid, alg, key.type]),
      [['e', 'RS256', 'public']],
    );
  });
});
