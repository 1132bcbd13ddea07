import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Caller, Credentials, Grant, Role, RouteRole } from '../../ports/access.ts';
import type { AuthUser } from '../../ports/access-config.ts';
import { HotpathError } from '../errors.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import { createLogin } from './login.ts';
import { faults, RefusalCounter } from './refusal.ts';
import { mayAsk, roles } from './role.ts';
import { apiKey, bearer, keptLog, noonMs, openWorld, settle } from './testing/access-world.ts';
import { TokenMemory } from './token-memory.ts';

const codeOf = (answer: unknown) => (answer instanceof HotpathError ? answer.code : 'OK');
const caller: Caller = { id: 'token:x/y', role: 'predict', models: undefined, limits: {} };

describe('the guard', () => {
  it('refuses every wrong credential with the same error, synchronously or not, and counts the reasons', async () => {
    const checks: string[] = [];
    const check = async (token: string) => {
      checks.push(token);
      return faults['bad-signature'];
    };
    const tokens = new TokenMemory({ check, fingerprint: (token) => token, unixMs: () => noonMs });
    const { guard, ring, addKey, stored, lines } = await openWorld({ tokens });
    const good = addKey();
    const other = addKey();
    const expired = addKey({}, { expiresMs: noonMs });
    const revoked = addKey();
    stored[3] = { ...stored[3]!, revokedMs: 1 };
    await ring.refresh();
    const wrong: readonly [string, Credentials][] = [
      ['missing', { authorization: undefined, apiKey: undefined }],
      ['malformed', { authorization: 'Basic YTpi', apiKey: undefined }],
      ['malformed', { authorization: '', apiKey: undefined }],
      ['malformed', apiKey('')],
      ['malformed', apiKey('eyJhbGciOiJub25lIn0.e30.')],
      ['malformed', apiKey(`${good}x`)],
      ['malformed', bearer(good.slice(0, -1))],
      ['malformed', bearer('e'.repeat(8193))],
      ['conflict', { authorization: `Bearer ${good}`, apiKey: other }],
      ['conflict', { authorization: 'Bearer e.y.J', apiKey: good }],
      ['unknown-key', apiKey(`hp_000000000000_${'A'.repeat(43)}`)],
      ['wrong-key', apiKey(`${good.slice(0, 16)}${other.slice(16)}`)],
      ['expired-key', apiKey(expired)],
      ['revoked-key', bearer(revoked)],
      ['bad-signature', bearer('e.y.J')],
    ];
    const expected = {
      code: 'UNAUTHENTICATED',
      message: 'Credentials that this server accepts are needed.',
      details: undefined,
    };
    const counts = new Map<string, number>();
    for (const [reason, credentials] of wrong) {
      for (const answer of [await guard.enter(credentials, 'predict'), await guard.identify(credentials, 'predict')]) {
        assert.ok(answer instanceof HotpathError, reason);
        const { code, message, details } = answer;
        assert.deepEqual({ code, message, details }, expected);
        counts.set(reason, (counts.get(reason) ?? 0) + 1);
      }
    }
    const { refused } = guard.snapshot();
    assert.deepEqual(
      Object.fromEntries(Object.entries(refused).filter(([, count]) => count > 0)),
      Object.fromEntries(counts),
    );
    assert.deepEqual(checks, ['e.y.J', 'e.y.J']);
    // Nothing of a credential in the log, and one line per reason.
    assert.equal(lines.length, counts.size);
    assert.doesNotMatch(JSON.stringify(lines), /hp_|e\.y\.J|Bearer|Basic/);
  });

  it('takes a key in either header, or the same one in both', async () => {
    const { guard, ring, addKey, stored } = await openWorld();
    const key = addKey();
    await ring.refresh();
    const id = `key:${stored[0]!.id}`;
    for (const credentials of [
      apiKey(key),
      bearer(key),
      { authorization: `bearer ${key}`, apiKey: undefined },
      { authorization: `BEARER  ${key} `, apiKey: undefined },
      { authorization: `Bearer ${key}`, apiKey: key },
    ]) {
      const answer = guard.enter(credentials, 'predict');
      assert.ok(!(answer instanceof Promise));
      assert.equal((answer as Grant).caller.id, id);
    }
  });

  it('lets each role do what the ones before it may', async () => {
    const { guard, ring, addKey } = await openWorld();
    const keys = new Map(roles.map((role) => [role, addKey({}, { role })]));
    await ring.refresh();
    const table: [RouteRole, Role[]][] = [
      ['public', ['predict', 'operate', 'admin']],
      ['predict', ['predict', 'operate', 'admin']],
      ['operate', ['operate', 'admin']],
      ['admin', ['admin']],
    ];
    for (const [wanted, allowed] of table) {
      for (const role of roles) {
        const expected = allowed.includes(role) ? 'OK' : 'PERMISSION_DENIED';
        assert.equal(codeOf(await guard.enter(apiKey(keys.get(role)!), wanted)), expected, `${role} on ${wanted}`);
        assert.equal(codeOf(await guard.identify(apiKey(keys.get(role)!), wanted)), expected, `${role} on ${wanted}`);
      }
    }
  });

  it('asks nobody who they are on public routes, and still knows them', async () => {
    const { guard, ring, addKey } = await openWorld();
    const key = addKey();
    await ring.refresh();
    assert.equal(await guard.identify({ authorization: undefined, apiKey: undefined }, 'public'), undefined);
    assert.equal(await guard.identify(apiKey('stale'), 'public'), undefined);
    assert.match(((await guard.identify(apiKey(key), 'public')) as Caller).id, /^key:/);
    assert.equal((guard.enter(apiKey('stale'), 'public') as Grant).caller.id, 'anonymous');
    assert.equal(
      Object.values(guard.snapshot().refused).every((count) => count === 0),
      true,
    );
  });
});

describe('the memory of tokens', () => {
  const open = (options: { untilMs?: number; maxTokens?: number; maxChecks?: number } = {}) => {
    const time = { nowMs: noonMs, checks: 0 };
    const check = async () => {
      time.checks++;
      return { caller, untilMs: options.untilMs ?? noonMs + 3_600_000 };
    };
    return {
      time,
      tokens: new TokenMemory({ check, fingerprint: (token) => token, unixMs: () => time.nowMs, ...options }),
    };
  };

  it('verifies a token once for all who bring it at the same time, and then answers at once', async () => {
    const { time, tokens } = open();
    const found = await Promise.all(Array.from({ length: 20 }, () => tokens.find('a')));
    assert.equal(time.checks, 1);
    assert.deepEqual(found, Array(20).fill(caller));
    assert.equal(tokens.find('a'), caller);
  });

  it('verifies again when the token expires, at the latest after five minutes', async () => {
    for (const [untilMs, lastsMs] of [
      [noonMs + 10_000, 10_000],
      [noonMs + 3_600_000, 300_000],
    ] as const) {
      const { time, tokens } = open({ untilMs });
      await tokens.find('a');
      time.nowMs += lastsMs - 1;
      assert.equal(tokens.find('a'), caller);
      time.nowMs += 1;
      assert.ok(tokens.find('a') instanceof Promise);
    }
  });

  it('holds no more than its bound, and forgets the oldest first', async () => {
    const { tokens } = open({ maxTokens: 3 });
    for (const token of ['a', 'b', 'c', 'd']) await tokens.find(token);
    assert.equal(tokens.size, 3);
    assert.equal(tokens.find('d'), caller);
    assert.ok(tokens.find('a') instanceof Promise);
  });

  it('refuses at once when too many are verified', async () => {
    const { tokens } = open({ maxChecks: 2 });
    const first = [tokens.find('a'), tokens.find('b')];
    assert.equal(tokens.find('c'), faults.unverifiable);
    await Promise.all(first);
    assert.equal(await tokens.find('c'), caller);
  });
});

describe('a scope of models', () => {
  it('is all models when there is none, and no model when it is empty', () => {
    assert.equal(mayAsk({ models: undefined }, 'iris'), true);
    assert.equal(mayAsk({ models: [] }, 'iris'), false);
    assert.equal(mayAsk({ models: ['fraud-*', 'iris'] }, 'iris'), true);
    assert.equal(mayAsk({ models: ['fraud-*', 'iris'] }, 'fraud-eu'), true);
    assert.equal(mayAsk({ models: ['fraud-*', 'iris'] }, 'iris-2'), false);
  });
});

describe('the login', () => {
  const hash = { cost: 1024, blockSize: 8, parallel: 1, salt: new Uint8Array(16), hash: new Uint8Array(32) };
  const decoy = { ...hash };
  const ann: AuthUser = { name: 'ann', password: hash, role: 'operate', models: undefined, limits: {} };
  const open = () => {
    const clock = new SimulatedClock();
    const compared: unknown[] = [];
    const state = { running: 0, most: 0, hold: undefined as Promise<void> | undefined };
    const issueToken = createLogin({
      users: new Map([['ann', ann]]),
      verifyPassword: async (password, stored) => {
        compared.push(stored);
        state.most = Math.max(state.most, ++state.running);
        await state.hold;
        state.running--;
        return stored === hash && password === 'right';
      },
      sign: async (claims) => JSON.stringify(claims),
      ttlMs: 900_000,
      clock,
      refused: new RefusalCounter(keptLog().logger),
      decoy,
    });
    return { clock, compared, state, issueToken };
  };

  it('gives a token for the right password', async () => {
    assert.deepEqual(await open().issueToken('ann', 'right'), {
      access_token: '{"sub":"ann","role":"operate"}',
      token_type: 'Bearer',
      expires_in: 900,
    });
  });

  it('answers an unknown name as a wrong password, after the same work', async () => {
    const { issueToken, compared } = open();
    const [wrong, unknown] = [await issueToken('ann', 'wrong'), await issueToken('bob', 'right')] as HotpathError[];
    assert.deepEqual(
      [wrong!.code, wrong!.message, wrong!.details],
      [unknown!.code, unknown!.message, unknown!.details],
    );
    assert.equal(wrong!.code, 'UNAUTHENTICATED');
    assert.equal(compared[0], hash);
    assert.equal(compared[1], decoy);
  });

  it('limits failures per name, known or not, and no successes', async () => {
    const { issueToken, clock } = open();
    for (let turn = 0; turn < 70; turn++) assert.equal(codeOf(await issueToken('ann', 'right')), 'OK');
    for (const name of ['ann', 'bob']) {
      const codes = [];
      for (let turn = 0; turn < 7; turn++) codes.push(codeOf(await issueToken(name, 'wrong')));
      assert.deepEqual(codes, [...Array(5).fill('UNAUTHENTICATED'), 'RATE_LIMITED', 'RATE_LIMITED']);
    }
    const refused = (await issueToken('ann', 'right')) as HotpathError;
    assert.equal(refused.details?.retryAfterSeconds, 10);
    clock.advance(10_000);
    assert.equal(codeOf(await issueToken('ann', 'right')), 'OK');
  });

  it('computes two hashes at once, lets a bounded line wait, and refuses the rest', async () => {
    const { issueToken, state } = open();
    const { promise, resolve } = Promise.withResolvers<void>();
    state.hold = promise;
    const answers = Array.from({ length: 40 }, (_, index) => issueToken(`user${index}`, 'x'));
    await settle();
    assert.equal(state.running, 2);
    resolve();
    const codes = (await Promise.all(answers)).map(codeOf);
    assert.equal(state.most, 2);
    assert.equal(codes.filter((code) => code === 'RATE_LIMITED').length, 6);
    assert.equal(codes.filter((code) => code === 'UNAUTHENTICATED').length, 34);
    state.hold = undefined;
    assert.equal(codeOf(await issueToken('ann', 'right')), 'OK');
  });

  it('limits failures over all names', async () => {
    const { issueToken } = open();
    const codes = [];
    for (let turn = 0; turn < 60; turn++) codes.push(codeOf(await issueToken(`user${turn}`, 'x')));
    assert.equal(codes.indexOf('RATE_LIMITED'), 50);
  });

  it('does not hash what is longer than any password', async () => {
    const { issueToken, compared } = open();
    assert.equal(codeOf(await issueToken('ann', 'x'.repeat(1025))), 'UNAUTHENTICATED');
    assert.equal(compared.length, 0);
  });
});
