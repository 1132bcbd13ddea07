/** Who may ask, with what is real: several processes on one key file, an issuer over HTTP, keys in SQLite. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it, type TestContext } from 'node:test';
import { SignJWT } from 'jose';
import { fingerprint, matchesDigest } from '../../src/adapters/auth/digest.ts';
import { IssuerKeys } from '../../src/adapters/auth/issuer-keys.ts';
import { hashPassword } from '../../src/adapters/auth/password.ts';
import { createTokenCheck } from '../../src/adapters/auth/token-check.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { type Config, settings } from '../../src/config/schema.ts';
import { KeyRing } from '../../src/core/access/key-ring.ts';
import { apiKey, bearer, keptLog } from '../../src/core/access/testing/access-world.ts';
import { TokenMemory } from '../../src/core/access/token-memory.ts';
import { SimulatedClock } from '../../src/core/simulated-clock.ts';
import type { Caller, Grant } from '../../src/ports/access.ts';
import type { AuthIssuer } from '../../src/ports/access-config.ts';
import { openAccess } from '../../src/server-access.ts';
import { databaseOptions, openDatabase } from '../../src/server-database.ts';
import { until } from './support/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-access-'));
after(() => rmSync(folder, { recursive: true }));

const defaults = Object.fromEntries(
  Object.entries(settings).map(([name, { default: value }]) => [name, value]),
) as Config;
const { logger } = keptLog();

describe('the key file', () => {
  it('is the same for processes that start together', async () => {
    const path = join(folder, 'race', 'keys.json');
    const module = new URL('../../src/adapters/auth/key-file.ts', import.meta.url).href;
    const script = `const { openKeyFile } = await import(${JSON.stringify(module)});
      process.stdout.write((await openKeyFile(${JSON.stringify(path)}, 0)).keys[0].kid);`;
    const kids = await Promise.all(
      Array.from({ length: 4 }, () => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        return text(child.stdout);
      }),
    );
    assert.match(kids[0]!, /^[\w-]{16}$/);
    assert.deepEqual(new Set(kids).size, 1);
  });
});

describe('a foreign issuer', () => {
  /** An issuer whose keys and health the test changes. */
  async function startIssuer(test: TestContext) {
    const state = {
      keys: [] as object[],
      requests: 0,
      mode: 'works' as 'works' | 'broken' | 'silent' | 'huge' | 'moved',
    };
    const server = createServer((request, response) => {
      state.requests++;
      if (state.mode === 'silent') return;
      if (state.mode === 'moved') return void response.writeHead(302, { location: `${request.url}2` }).end();
      if (state.mode === 'huge') return void response.end(`{"keys": [], "x": "${'x'.repeat(1_000_000)}"}`);
      response.writeHead(state.mode === 'broken' ? 500 : 200).end(JSON.stringify({ keys: state.keys }));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    test.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const rules: AuthIssuer = {
      issuer,
      audience: ['hotpath'],
      jwksUrl: `${issuer}/keys`,
      algorithms: ['ES256'],
      role: 'predict',
      roleClaim: undefined,
      limits: {},
    };
    const clock = new SimulatedClock();
    const keys = new IssuerKeys(rules, { clock, logger });
    test.after(() => keys.close());
    const check = await createTokenCheck({ own: undefined, issuers: [{ rules, keys }], unixMs: Date.now });
    return {
      state,
      clock,
      keys,
      /** The reason of a refusal, or the caller's id. */
      ask: async (kid: string, key: KeyObject) => {
        const token = await new SignJWT()
          .setProtectedHeader({ alg: 'ES256', kid })
          .setIssuer(issuer)
          .setSubject('svc')
          .setAudience('hotpath')
          .setExpirationTime('5m')
          .sign(key);
        const checked = await check(token);
        return 'reason' in checked ? checked.reason : checked.caller.id.split('/').at(-1);
      },
    };
  }
  const pair = (kid: string) => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' } };
  };
  const [first, second] = [pair('k1'), pair('k2')];

  it('rotates its keys: an unknown one is fetched, at most once in 30 s', async (test) => {
    const { state, clock, ask } = await startIssuer(test);
    state.keys = [first.jwk];
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask('k1', first.privateKey)));
    assert.deepEqual(answers, Array(5).fill('svc'));
    assert.equal(state.requests, 1);
    state.keys = [second.jwk];
    assert.equal(await ask('k2', second.privateKey), 'unknown-token-key');
    assert.equal(state.requests, 1);
    clock.advance(30_000);
    assert.equal(await ask('k2', second.privateKey), 'svc');
    // A key that was withdrawn is gone with the fetch.
    assert.equal(await ask('k1', first.privateKey), 'unknown-token-key');
    assert.equal(state.requests, 2);
  });

  for (const mode of ['broken', 'huge', 'moved'] as const) {
    it(`goes on with the last known keys while its address is ${mode}`, async (test) => {
      const { state, clock, ask, keys } = await startIssuer(test);
      state.keys = [first.jwk];
      assert.equal(await ask('k1', first.privateKey), 'svc');
      state.mode = mode;
      clock.advance(3_600_000);
      await keys.fetch();
      assert.equal(state.requests, 2);
      assert.equal(await ask('k1', first.privateKey), 'svc');
      assert.equal(await ask('k2', second.privateKey), 'unknown-token-key');
      state.mode = 'works';
      state.keys = [first.jwk, second.jwk];
      clock.advance(30_000);
      assert.equal(await ask('k2', second.privateKey), 'svc');
    });
  }

  it('that does not answer costs a request with an unknown key two seconds, and one with a known key nothing', async (test) => {
    const { state, clock, ask, keys } = await startIssuer(test);
    state.keys = [first.jwk];
    assert.equal(await ask('k1', first.privateKey), 'svc');
    state.mode = 'silent';
    clock.advance(3_600_000);
    const waiting = ask('k2', second.privateKey);
    // Until the fetch has reached the server and the wait has begun.
    while (state.requests < 2) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await ask('k1', first.privateKey), 'svc');
    clock.advance(2000);
    assert.equal(await waiting, 'unknown-token-key');
    // It was the wait that ended, not the fetch.
    const fetching = keys.fetch().then(() => 'ended');
    assert.equal(await Promise.race([fetching, new Promise((resolve) => setImmediate(resolve, 'goes on'))]), 'goes on');
  });
});

describe('access as the server opens it', () => {
  it('takes keys from the database and tokens of users, knows changes at once, and revoked keys without a restart', async (test) => {
    const config: Config = {
      ...defaults,
      databaseUrl: `sqlite:${join(folder, 'access.db')}`,
      authKeyFile: join(folder, 'token-keys.json'),
      authUsers: [{ name: 'ann', password: await hashPassword('secret'), role: 'operate', models: ['iris'] }],
      rateLimit: 1000,
    };
    const database = await openDatabase({ ...databaseOptions(config), clock: systemClock, logger });
    test.after(() => database.close());
    await database.migrate();
    const access = await openAccess(config, { keys: database.keys, shared: undefined, clock: systemClock, logger });
    test.after(() => access.close());

    // A key: made and revoked by this process.
    const { key, stored } = await access.keyAdmin.create({ name: 'ci', role: 'admin' });
    const grant = access.guard.enter(apiKey(key), 'admin');
    assert.ok(!(grant instanceof Promise));
    assert.equal((grant as Grant).caller.id, `key:${stored.id}`);
    await access.keyAdmin.revoke(stored.id);
    assert.equal((access.guard.enter(apiKey(key), 'predict') as unknown as { code: string }).code, 'UNAUTHENTICATED');

    // A token: verified once, then known.
    const issued = await access.issueToken!('ann', 'secret');
    assert.ok('access_token' in issued);
    const credentials = bearer(issued.access_token);
    const entered = access.guard.enter(credentials, 'operate');
    assert.ok(entered instanceof Promise);
    assert.deepEqual(((await entered) as Grant).caller, {
      id: 'user:ann',
      role: 'operate',
      models: ['iris'],
      limits: {},
    });
    assert.ok(!(access.guard.enter(credentials, 'predict') instanceof Promise));
    assert.equal(
      ((await access.guard.identify(credentials, 'admin')) as unknown as { code: string }).code,
      'PERMISSION_DENIED',
    );
    assert.equal((await access.jwks!()).keys.length, 1);
  });

  it('sees what another process did to the keys within a look', async (test) => {
    const url = `sqlite:${join(folder, 'two.db')}`;
    const open = () =>
      openDatabase({ ...databaseOptions({ ...defaults, databaseUrl: url }), clock: systemClock, logger });
    const [server, other] = [await open(), await open()];
    test.after(() => Promise.all([server.close(), other.close()]));
    await server.migrate();
    const clock = new SimulatedClock();
    const ring = new KeyRing({ store: server.keys, clock, unixMs: Date.now, logger, matchesDigest });
    test.after(() => ring.close());
    await ring.start();
    const access = await openAccess(defaults, { keys: other.keys, shared: undefined, clock, logger });
    test.after(() => access.close());
    const { key, stored } = await access.keyAdmin.create({ name: 'ci', role: 'predict' });
    const isKnown = () => 'id' in (ring.find(key) as Caller | object);
    // The stores work in threads of their own: each turn is two seconds later, until the ring has looked.
    const untilKnown = (known: boolean) =>
      until(() => {
        clock.advance(2000);
        return isKnown() === known;
      });
    await untilKnown(true);
    await access.keyAdmin.revoke(stored.id);
    await untilKnown(false);
  });
});

// The memory and the check together: what one request proves, the next need not.
describe('a remembered token', () => {
  it('survives its issuer', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const server = createServer(
      (_, response) =>
        void response.end(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a' }] })),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const rules: AuthIssuer = {
      issuer: 'x',
      audience: ['a'],
      jwksUrl,
      algorithms: ['ES256'],
      role: 'admin',
      roleClaim: undefined,
      limits: {},
    };
    const keys = new IssuerKeys(rules, { clock: systemClock, logger });
    const check = await createTokenCheck({ own: undefined, issuers: [{ rules, keys }], unixMs: Date.now });
    const tokens = new TokenMemory({ check, fingerprint, unixMs: Date.now });
    const token = await new SignJWT({ iss: 'x', aud: 'a', sub: 's' })
      .setProtectedHeader({ alg: 'ES256', kid: 'a' })
      .setExpirationTime('1m')
      .sign(privateKey);
    const found = (await tokens.find(token)) as Caller;
    assert.equal(found.id, 'token:x/s');
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    assert.equal(tokens.find(token), found);
    keys.close();
  });
});
