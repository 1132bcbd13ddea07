import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AuthSettings, checkAuth, parsePasswordHash } from './auth-fields.ts';

const hash = `scrypt$N=16384,r=8,p=5$${'A'.repeat(22)}$${'B'.repeat(43)}`;
const user = { name: 'ann', password: hash, role: 'admin' };
const issuer = { issuer: 'https://id.example', audience: 'hotpath', jwksUrl: 'https://id.example/keys' };
const base: AuthSettings = {
  authUsers: [],
  authIssuers: [],
  authIssuer: 'hotpath',
  authAudience: 'hotpath',
  authTokenTtlMs: 900_000,
};
const problemsOf = (settings: Partial<AuthSettings>) => checkAuth({ ...base, ...settings }).problems;

describe('the settings of users', () => {
  it('become typed data', () => {
    const models = ['iris', 'fraud-*'];
    const { users, problems } = checkAuth({ ...base, authUsers: [{ ...user, models, limits: { burst: 2 } }] });
    assert.deepEqual(problems, []);
    assert.deepEqual(users, [
      {
        name: 'ann',
        password: {
          cost: 16_384,
          blockSize: 8,
          parallel: 5,
          salt: new Uint8Array(16),
          hash: parsePasswordHash(hash)!.hash,
        },
        role: 'admin',
        models,
        limits: { burst: 2 },
      },
    ]);
  });

  it('are refused field by field, all at once, without the hash', () => {
    const wrong: [unknown, string][] = [
      [5, 'authUsers[0] must be an object.'],
      [{ ...user, name: '' }, 'authUsers[0].name must be text of 1 to 256 characters.'],
      [{ ...user, password: 'secret' }, 'authUsers[0].password must be a hash that `hotpath auth hash` printed.'],
      [{ ...user, role: 'root' }, 'authUsers[0].role must be one of predict, operate, admin.'],
      [{ ...user, models: [] }, 'authUsers[0].models must be a list of names or patterns.'],
      [{ ...user, limits: { burst: 0 } }, 'authUsers[0].limits.burst must be a whole number from 1.'],
      [
        { ...user, limits: { burts: 1 } },
        `authUsers[0].limits.burts must be left out; known are requestsPerSecond, burst, requestsPerDay, concurrency.`,
      ],
      [{ ...user, roles: [] }, 'authUsers[0].roles must be left out; known are name, password, role, models, limits.'],
    ];
    for (const [raw, problem] of wrong) assert.deepEqual(problemsOf({ authUsers: [raw] }), [problem]);
    assert.equal(problemsOf({ authUsers: wrong.map(([raw]) => raw) }).length, wrong.length + 1);
    assert.deepEqual(problemsOf({ authUsers: [user, user] }), ['authUsers[1].name must be different for each user.']);
    assert.deepEqual(problemsOf({ authUsers: [user], authIssuer: '', authTokenTtlMs: 5 }), [
      'authIssuer must be text, as there are authUsers.',
      'authTokenTtlMs must be at least 1s.',
    ]);
  });

  it('bound the work of a password hash', () => {
    const withParameters = (text: string) => parsePasswordHash(hash.replace('N=16384,r=8,p=5', text));
    assert.ok(withParameters('N=131072,r=8,p=1'));
    for (const text of [
      'N=16383,r=8,p=5',
      'N=512,r=8,p=1',
      'N=4194304,r=8,p=1',
      'N=16384,r=8,p=900',
      'N=16384,r=0,p=1',
      'N=16384,r=8',
    ]) {
      assert.equal(withParameters(text), undefined, text);
    }
    assert.equal(parsePasswordHash(hash.slice(0, -30)), undefined);
  });
});

describe('the settings of issuers', () => {
  it('become typed data with careful defaults', () => {
    const { issuers, problems } = checkAuth({ ...base, authIssuers: [issuer] });
    assert.deepEqual(problems, []);
    assert.deepEqual(issuers, [
      { ...issuer, audience: ['hotpath'], algorithms: ['RS256'], role: 'predict', roleClaim: undefined, limits: {} },
    ]);
  });

  it('are refused field by field', () => {
    const algorithms = 'a list of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519';
    const url = 'an https:// URL, or http:// on loopback';
    const wrong: [object, string][] = [
      [{ issuer: undefined }, 'issuer must be text of 1 to 256 characters'],
      [{ audience: undefined }, 'audience must be a list of audiences'],
      [{ jwksUrl: 'http://id.example/keys' }, `jwksUrl must be ${url}`],
      [{ jwksUrl: 'http://127.0.0.1.example/keys' }, `jwksUrl must be ${url}`],
      [{ jwksUrl: 'https://user:secret@id.example/keys' }, `jwksUrl must be ${url}`],
      [{ jwksUrl: 'file:///etc/passwd' }, `jwksUrl must be ${url}`],
      [{ algorithms: ['HS256'] }, `algorithms must be ${algorithms}`],
      [{ algorithms: ['none'] }, `algorithms must be ${algorithms}`],
      [{ algorithms: [] }, `algorithms must be ${algorithms}`],
      [{ role: 'root' }, 'role must be one of predict, operate, admin'],
      [{ roleClaim: 5 }, 'roleClaim must be the name of a claim'],
    ];
    for (const [change, problem] of wrong) {
      assert.deepEqual(problemsOf({ authIssuers: [{ ...issuer, ...change }] }), [`authIssuers[0].${problem}.`]);
    }
    for (const jwksUrl of ['http://127.0.0.1:5/keys', 'http://[::1]/keys', 'http://localhost/keys']) {
      assert.deepEqual(problemsOf({ authIssuers: [{ ...issuer, jwksUrl }] }), []);
    }
  });

  it('are different from each other and from the server itself', () => {
    const problem = (index: number) => [
      `authIssuers[${index}].issuer must be different for each issuer and from authIssuer.`,
    ];
    assert.deepEqual(problemsOf({ authIssuers: [issuer, issuer] }), problem(1));
    assert.deepEqual(problemsOf({ authUsers: [user], authIssuers: [{ ...issuer, issuer: 'hotpath' }] }), problem(0));
  });
});
