import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import { HotpathError } from '../core/errors.ts';
import type { AccessGuard, Caller, RouteRole } from '../ports/access.ts';
import { statusOf } from './http-errors.ts';
import { guardRoutes, requireRoles } from './route-roles.ts';

const operator: Caller = { id: 'key:x', role: 'operate', models: ['a*'], limits: {} };

/** Knows one key. */
function guardOf(asked: RouteRole[]): AccessGuard {
  return {
    enter: () => assert.fail('only inferences are counted'),
    async identify({ apiKey }, role) {
      asked.push(role);
      return apiKey === 'good' ? operator : new HotpathError('UNAUTHENTICATED', 'No.');
    },
  };
}

function serve() {
  const asked: RouteRole[] = [];
  const app = Fastify();
  const routes = requireRoles(app);
  guardRoutes(app, guardOf(asked));
  app.setErrorHandler((error, _request, reply) =>
    reply.status(error instanceof HotpathError ? statusOf[error.code] : 500).send(error),
  );
  app.get('/open', { config: { role: 'public' } }, async () => 'open');
  app.get('/m/:model', { config: { role: 'operate' } }, async ({ caller }) => caller?.id);
  app.post('/infer/:model', { config: { role: 'predict', isInference: true } }, async () => 'counted elsewhere');
  const get = async (url: string, key?: string) => {
    const { statusCode, body } = await app.inject({ url, headers: key === undefined ? {} : { 'x-api-key': key } });
    return [statusCode, statusCode === 200 ? body : ''];
  };
  return { app, routes, asked, get };
}

test('a route without a role cannot be registered, nor one in a plugin', async () => {
  const { app } = serve();
  assert.throws(() => app.get('/new', async () => 'open to all'), /GET \/new declares no role/);
  app.register(async (scope) => {
    scope.delete('/deep', async () => 'open to all');
  });
  await assert.rejects(async () => app.ready(), /DELETE \/deep declares no role/);
});

test('the table has every route with its role, the HEAD of a GET included', () => {
  assert.deepEqual(
    serve().routes.map(({ method, url, role }) => `${method} ${url} ${role}`),
    [
      'GET /open public',
      'HEAD /open public',
      'GET /m/:model operate',
      'HEAD /m/:model operate',
      'POST /infer/:model predict',
    ],
  );
});

test('the guard is asked with the role of the route, and not on public routes or for what is no route', async () => {
  const { asked, get } = serve();
  assert.deepEqual(await get('/open'), [200, 'open']);
  assert.deepEqual(await get('/open', 'bad'), [200, 'open']);
  assert.deepEqual(await get('/nowhere'), [404, '']);
  assert.deepEqual(asked, []);
  assert.deepEqual(await get('/m/abc'), [401, '']);
  assert.deepEqual(await get('/m/abc', 'good'), [200, 'key:x']);
  assert.deepEqual(asked, ['operate', 'operate']);
});

test('a model in the URL must be one of the caller’s, however it is written', async () => {
  const { get } = serve();
  assert.deepEqual(await get('/m/%61bc', 'good'), [200, 'key:x']);
  assert.deepEqual(await get('/m/other', 'good'), [403, '']);
});

test('a guard that fails lets nobody in', async () => {
  const app = Fastify();
  requireRoles(app);
  const broken: AccessGuard = { enter: () => assert.fail(), identify: async () => Promise.reject(new Error('away')) };
  guardRoutes(app, broken);
  app.get('/m', { config: { role: 'predict' } }, async () => 'secret');
  assert.equal((await app.inject('/m')).statusCode, 500);
});
