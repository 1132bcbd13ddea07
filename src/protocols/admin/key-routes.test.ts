import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import Fastify from 'fastify';
import { createKeyAdmin } from '../../core/access/key-admin.ts';
import { HotpathError } from '../../core/errors.ts';
import type { AuditEntry, StoredKey } from '../../ports/key-store.ts';
import { errorBody, statusOf } from '../http-errors.ts';
import type { AdminDeps } from './deps.ts';
import { addKeyRoutes } from './key-routes.ts';

const keyCrypto = {
  randomBytes: (count: number) => randomBytes(count),
  sha256: (text: string) => createHash('sha256').update(text).digest(),
};

function serve(deps: Partial<AdminDeps> = {}) {
  const app = Fastify();
  app.setErrorHandler((thrown, _request, reply) => {
    const error = thrown instanceof HotpathError ? thrown : new HotpathError('INTERNAL', String(thrown));
    return reply.status(statusOf[error.code]).send(errorBody(error));
  });
  const made: StoredKey[] = [];
  const entries: AuditEntry[] = [];
  const quiet = () => {};
  addKeyRoutes(app, {
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    keys: createKeyAdmin({
      store: {
        list: async () => made,
        revision: async () => '1',
        insert: async (key) => void made.push(key),
        revoke: async (id) => made.splice(0).some((key) => key.id === id),
      },
      crypto: keyCrypto,
      unixMs: () => 0,
    }),
    audit: {
      append: async (entry) => void entries.push(entry),
      list: async (limit) => entries.slice(0, limit),
    },
    ...deps,
  } as AdminDeps);
  return { app, made, entries };
}

test('a key is shown once, when it is made, and no answer has its hash', async () => {
  const { app, made } = serve();
  const payload = { name: 'batch job', role: 'predict', models: ['iris*'], limits: { requestsPerSecond: 5 } };
  const created = await app.inject({ method: 'POST', url: '/admin/keys', payload });
  assert.deepEqual([created.statusCode, created.headers['cache-control']], [201, 'no-store']);
  const { key, id } = created.json();
  assert.equal(key.slice(3, 15), id);
  assert.deepEqual([made[0]!.role, made[0]!.models, made[0]!.limits], ['predict', ['iris*'], { requestsPerSecond: 5 }]);
  const list = await app.inject('/admin/keys');
  assert.equal(list.json().keys[0].id, id);
  for (const { body } of [created, list]) assert.doesNotMatch(body, /hash/);
  assert.ok(!list.body.includes(key.slice(16)));
});

test('a wrong field is named, and no key is made', async () => {
  const { app, made, entries } = serve();
  for (const [payload, field] of [
    [{ role: 'predict' }, 'name'],
    [{ name: 'a', role: 'root' }, 'role'],
    [{ name: 'a', role: 'predict', model: ['iris'] }, 'model'],
    [{ name: 'a', role: 'predict', limits: { burst: 0 } }, 'limits.burst'],
  ] as const) {
    const reply = await app.inject({ method: 'POST', url: '/admin/keys', payload });
    assert.deepEqual([reply.statusCode, reply.json().error.details.field], [400, field]);
  }
  assert.deepEqual(made, []);
  assert.deepEqual(
    entries.map(({ outcome }) => outcome),
    Array(4).fill('INVALID_INPUT'),
  );
});

test('a key is revoked once', async () => {
  const { app, entries } = serve();
  const { id } = (
    await app.inject({ method: 'POST', url: '/admin/keys', payload: { name: 'a', role: 'admin' } })
  ).json();
  const revoke = (name: string) => app.inject({ method: 'DELETE', url: `/admin/keys/${name}` });
  assert.deepEqual((await revoke(id)).json(), { revoked: true });
  assert.equal((await revoke(id)).statusCode, 404);
  assert.deepEqual(
    entries.map(({ action, target, outcome }) => [action, target, outcome]),
    [
      ['key.create', id, 'OK'],
      ['key.revoke', id, 'OK'],
      ['key.revoke', id, 'NOT_FOUND'],
    ],
  );
});

test('the audit log takes a limit within reason', async () => {
  const { app } = serve();
  for (const [limit, status] of [
    ['', 400],
    ['0', 400],
    ['1001', 400],
    ['1.5', 400],
    ['1000', 200],
  ] as const) {
    assert.equal((await app.inject(`/admin/audit?limit=${limit}`)).statusCode, status, limit);
  }
});

test('a server without keys or audit log says so', async () => {
  const { app } = serve({ keys: undefined, audit: undefined });
  for (const url of ['/admin/keys', '/admin/audit']) {
    const reply = await app.inject(url);
    assert.deepEqual([reply.statusCode, reply.json().error.code], [501, 'UNSUPPORTED']);
    assert.match(reply.json().error.message, /auth "on"/);
  }
});
