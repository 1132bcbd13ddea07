/** What stands beside the guard: the audit log of what was changed, tokens for passwords, health for strangers, and all of it without `auth`. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Metadata } from '@grpc/grpc-js';
import { type Guarded, startGuarded } from './support/access-harness.ts';
import { ask as askGrpc, type Client, connect, demoRequest } from './support/grpc-client.ts';
import { ask, jsonOf } from './support/rest-client.ts';
import { until } from './support/until.ts';

let guarded: Guarded;
let client: Client;
let admin: Record<string, string>;
let metadata: Metadata;

before(async () => {
  guarded = await startGuarded();
  client = connect(guarded.grpc.address);
  admin = { 'x-api-key': (await guarded.addKey({ role: 'admin', name: 'root' })).key };
  metadata = new Metadata();
  metadata.set('x-api-key', admin['x-api-key']!);
});

after(async () => {
  client?.close();
  await guarded?.[Symbol.asyncDispose]();
});

describe('the audit log', () => {
  const last = () => {
    const { createdMs, ...entry } = guarded.entries.at(-1)!;
    assert.ok(Math.abs(createdMs - Date.now()) < 60_000);
    return entry;
  };
  const post = (url: string, body = '{}', method = 'POST') => ask(url, { method, body, headers: admin });

  it('has who changed what and how it ended, over every protocol', async () => {
    const id = admin['x-api-key']!.slice(3, 15);
    const steps: readonly (readonly [() => Promise<unknown>, string, string | RegExp, string])[] = [
      [() => post(`${guarded.adminUrl}/admin/models/demo/load`), 'model.load', 'demo', 'OK'],
      [() => post(`${guarded.adminUrl}/admin/models/demo/versions/1/unload`), 'model.unload', 'demo/1', 'OK'],
      [() => post(`${guarded.adminUrl}/admin/models/demo/reload`), 'model.reload', 'demo', 'OK'],
      [() => post(`${guarded.adminUrl}/admin/models/nobody/load`), 'model.load', 'nobody', 'MODEL_NOT_FOUND'],
      [() => post(`${guarded.adminUrl}/admin/log-level`, '{"level":"warn"}', 'PUT'), 'log.level', 'warn', 'OK'],
      [() => post(`${guarded.adminUrl}/admin/profile/heap`), 'profile.take', 'heap', 'OK'],
      [() => post(`${guarded.adminUrl}/admin/cache/invalidate`, '{"model":"demo"}'), 'cache.invalidate', 'demo', 'OK'],
      [
        () => post(`${guarded.adminUrl}/admin/keys`, '{"name":"ci","role":"predict"}'),
        'key.create',
        /^[0-9a-z]{12}$/,
        'OK',
      ],
      [
        () => ask(`${guarded.adminUrl}/admin/keys/x`, { method: 'DELETE', headers: admin }),
        'key.revoke',
        'x',
        'NOT_FOUND',
      ],
      [() => post(`${guarded.restUrl}/v2/repository/models/other/unload`), 'model.unload', 'other', 'OK'],
      [() => post(`${guarded.restUrl}/v2/repository/models/other/load`), 'model.load', 'other', 'OK'],
      [() => post(`${guarded.restUrl}/v2/logging`, '{"log_verbose_level":1}'), 'log.level', 'debug', 'OK'],
      [() => askGrpc(client, 'RepositoryModelLoad', { model_name: 'demo' }, { metadata }), 'model.load', 'demo', 'OK'],
      [
        () => askGrpc(client, 'RepositoryModelUnload', { model_name: 'demo' }, { metadata }),
        'model.unload',
        'demo',
        'OK',
      ],
    ];
    for (const [act, action, target, outcome] of steps) {
      const count = guarded.entries.length;
      await act();
      assert.equal(guarded.entries.length, count + 1, action);
      const entry = last();
      if (typeof target === 'string') assert.equal(entry.target, target);
      else assert.match(entry.target, target);
      assert.deepEqual(entry, { caller: `key:${id}`, action, target: entry.target, outcome });
    }
    const { entries } = jsonOf(await ask(`${guarded.adminUrl}/admin/audit?limit=2`, { headers: admin }));
    assert.deepEqual(
      entries.map(({ action }: { action: string }) => action),
      ['model.unload', 'model.load'],
    );
  });

  it('fails nothing when it is away', async () => {
    guarded.auditFailure = new Error('no database');
    assert.equal((await post(`${guarded.adminUrl}/admin/models/demo/load`)).status, 200);
    assert.equal((await post(`${guarded.restUrl}/v2/repository/models/demo/load`)).status, 200);
    await until(() =>
      guarded.grpc.logs.some(({ level, message }) => level === 'warn' && message.startsWith('audit log')),
    );
    guarded.auditFailure = undefined;
  });
});

describe('tokens', () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const post = (body: string, headers: Record<string, string> = form) =>
    ask(`${guarded.restUrl}/token`, { body, headers });

  it('are given for a password, to a form and to JSON, and kept by nobody on the way', async () => {
    const json = { 'content-type': 'application/json' };
    for (const reply of [
      await post('grant_type=password&username=ann&password=secret'),
      await post('{"username":"ann","password":"secret"}', json),
    ]) {
      assert.equal(reply.status, 200);
      assert.equal(reply.headers['cache-control'], 'no-store');
      assert.deepEqual(jsonOf(reply), { access_token: 'a.b.c', token_type: 'Bearer', expires_in: 900 });
    }
  });

  it('are refused in the words of RFC 6749', async () => {
    const cases: readonly (readonly [string, number, string])[] = [
      ['grant_type=password&username=ann&password=wrong', 400, 'invalid_grant'],
      ['grant_type=password&username=bob&password=secret', 400, 'invalid_grant'],
      ['grant_type=client_credentials&username=ann&password=secret', 400, 'unsupported_grant_type'],
      ['username=ann&password=secret', 400, 'invalid_request'],
      ['grant_type=password&username=ann&password=wrong&password=secret', 400, 'invalid_request'],
      ['grant_type=password&username=ann', 400, 'invalid_request'],
      [`grant_type=password&username=ann&password=${'x'.repeat(9000)}`, 413, 'invalid_request'],
    ];
    const wrong = new Set<string>();
    for (const [body, status, error] of cases) {
      const reply = await post(body);
      assert.deepEqual([reply.status, jsonOf(reply).error], [status, error], body.slice(0, 80));
      assert.equal(reply.headers['cache-control'], 'no-store');
      if (error === 'invalid_grant') wrong.add(reply.bytes.toString());
    }
    assert.equal(wrong.size, 1);
    assert.equal((await post('x', { 'content-type': 'text/plain' })).status, 400);
  });

  it('can be checked by others with the published keys, for five minutes', async () => {
    const reply = await ask(`${guarded.restUrl}/.well-known/jwks.json`);
    assert.deepEqual(jsonOf(reply), { keys: [] });
    assert.equal(reply.headers['cache-control'], 'public, max-age=300');
  });
});

describe('health', () => {
  it('tells strangers nothing of the models', async () => {
    const reply = await ask(`${guarded.restUrl}/health`);
    assert.equal(reply.status, 200);
    assert.doesNotMatch(reply.bytes.toString(), /demo/);
  });
});

describe('without auth', () => {
  it('everybody may do everything, is called anonymous, and there are no tokens', async () => {
    await using open = await startGuarded({ auth: false });
    assert.equal((await ask(`${open.restUrl}/api/v1/models`)).status, 200);
    assert.match((await ask(`${open.restUrl}/health`)).bytes.toString(), /demo/);
    assert.equal((await ask(`${open.adminUrl}/admin/models/demo/load`, { method: 'POST' })).status, 200);
    assert.equal(open.entries[0]!.caller, 'anonymous');
    assert.equal((await ask(`${open.restUrl}/token`, { body: '{}' })).status, 404);
    assert.equal((await ask(`${open.restUrl}/.well-known/jwks.json`)).status, 404);
    const anyone = connect(open.grpc.address);
    await askGrpc(anyone, 'ModelInfer', demoRequest([[1]]));
    anyone.close();
  });
});
