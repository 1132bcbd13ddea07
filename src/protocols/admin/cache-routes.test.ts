import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify, { type InjectOptions } from 'fastify';
import type { WarmJob, WarmStatus } from '../../core/cache-warming/warm-ups.ts';
import { HotpathError, invalidInput, toHotpathError } from '../../core/errors.ts';
import type { Caller } from '../../ports/access.ts';
import type { AuditEntry } from '../../ports/key-store.ts';
import { errorBody, statusOf } from '../http-errors.ts';
import { addCacheRoutes, type CacheAdmin } from './cache-routes.ts';

const progress = { computed: 0, cached: 0, failed: 0, skipped: 0, elapsedMs: 0, perSecond: 0 };
const status = (state: WarmStatus['state'], more: Partial<WarmStatus> = {}): WarmStatus => ({
  state,
  model: 'iris',
  version: '1',
  total: undefined,
  remainingMs: undefined,
  ...progress,
  ...more,
});

function setUp(
  result: Promise<WarmStatus> = Promise.resolve(status('done', { computed: 5, total: 5, errors: [] })),
  caller?: Caller,
) {
  const asked: unknown[] = [];
  const cancelled: string[] = [];
  const job: WarmJob = { status: () => status('waiting'), result, cancel: (reason) => cancelled.push(reason) };
  const cache: CacheAdmin = {
    status: async () => ({
      processes: 1,
      tiers: [{ tier: 'memory', state: 'closed', entries: 2 }],
      models: [{ model: 'iris', version: '1', entries: 2, bytes: 9 }],
    }),
    invalidate: async (invalidation) => {
      asked.push(invalidation);
      if (invalidation.model === 'none') throw new HotpathError('MODEL_NOT_FOUND', 'There is no model "none".');
      return { dropped: { memory: 2 }, failed: [] };
    },
    warm: async (request) => {
      asked.push(request);
      if (request.model === 'plain') throw invalidInput('model', 'model: "plain" has no cache.');
      return job;
    },
  };
  const app = Fastify();
  app.setErrorHandler((thrown, _request, reply) => {
    const error = toHotpathError(thrown);
    return reply.status(statusOf[error.code]).send(errorBody(error));
  });
  const silent = () => {};
  const written: string[] = [];
  const audit = {
    append: async ({ action, target, outcome }: AuditEntry) => void written.push(`${action} ${target} ${outcome}`),
  };
  app.addHook('onRequest', async (request) => {
    request.caller = caller;
  });
  addCacheRoutes(app, { cache, audit, logger: { debug: silent, info: silent, warn: silent, error: silent } });
  const ask = (url: string, payload?: InjectOptions['payload']) =>
    app.inject(payload === undefined ? { url } : { url, payload, method: 'POST' });
  return { app, ask, asked, cancelled, written };
}

test('GET /admin/cache shows what is cached', async () => {
  const { ask } = setUp();
  assert.deepEqual((await ask('/admin/cache')).json(), {
    processes: 1,
    tiers: [{ tier: 'memory', state: 'closed', entries: 2 }],
    models: [{ model: 'iris', version: '1', entries: 2, bytes: 9 }],
  });
});

test('a caller with some models sees, drops and warms those only; what was done is written down', async () => {
  const caller: Caller = { id: 'key:1', role: 'operate', models: ['fraud-*'], limits: {} };
  const { ask, asked, written } = setUp(undefined, caller);
  assert.deepEqual((await ask('/admin/cache')).json().models, []);
  const codes: number[] = [];
  for (const [action, model] of [
    ['invalidate', 'iris'],
    ['invalidate', '*'],
    ['warm', 'iris'],
    ['invalidate', 'fraud-*'],
    ['invalidate', 'fraud-eu'],
    ['warm', 'fraud-eu'],
  ]) {
    codes.push((await ask(`/admin/cache/${action}`, { model })).statusCode);
  }
  assert.deepEqual(codes, [403, 403, 403, 200, 200, 200]);
  assert.equal(asked.length, 3);
  assert.deepEqual(written, ['cache.invalidate fraud-* OK', 'cache.invalidate fraud-eu OK', 'cache.warm fraud-eu OK']);
});

test('an invalidation takes a name or a pattern, and a version as text or number', async () => {
  const { ask, asked } = setUp();
  for (const payload of [{ model: 'iris' }, { model: 'ir*', version: '2' }, { model: '*', version: 3 }]) {
    const { statusCode, body } = await ask('/admin/cache/invalidate', payload);
    assert.deepEqual([statusCode, JSON.parse(body)], [200, { dropped: { memory: 2 }, failed: [] }]);
  }
  assert.deepEqual(asked, [
    { model: 'iris', version: undefined },
    { model: 'ir*', version: '2' },
    { model: '*', version: '3' },
  ]);
  assert.equal((await ask('/admin/cache/invalidate', { model: 'none' })).statusCode, 404);
});

test('a wrong body is refused with the name of the field', async () => {
  const { ask, asked } = setUp();
  const wrong: [string, unknown, string][] = [
    ['invalidate', [], 'body'],
    ['invalidate', {}, 'model'],
    ['invalidate', { model: '' }, 'model'],
    ['invalidate', { model: 'x'.repeat(257) }, 'model'],
    ['invalidate', { model: 'iris', version: true }, 'version'],
    ['invalidate', { model: 'iris', versions: '1' }, 'versions'],
    ['warm', {}, 'model'],
    ['warm', { model: 'iris', hours: 0 }, 'hours'],
    ['warm', { model: 'iris', hours: '24' }, 'hours'],
    ['warm', { model: 'iris', top: 1.5 }, 'top'],
    ['warm', { model: 'iris', top: 100_001 }, 'top'],
    ['warm', { model: 'iris', file: 3 }, 'file'],
    ['warm', { model: 'iris', hour: 3 }, 'hour'],
  ];
  for (const [action, payload, field] of wrong) {
    const response = await ask(`/admin/cache/${action}`, payload as object);
    assert.deepEqual([response.statusCode, response.json().error.details.field], [400, field], JSON.stringify(payload));
  }
  assert.deepEqual(asked, []);
});

test('a warm-up answers with lines, the last of which is the result', async () => {
  const { ask, asked } = setUp();
  const response = await ask('/admin/cache/warm', { model: 'iris', version: 'stable', hours: 0.5, top: 10, file: 'a' });
  assert.deepEqual(asked, [{ model: 'iris', version: 'stable', hours: 0.5, top: 10, file: 'a' }]);
  assert.equal(response.headers['content-type'], 'application/x-ndjson');
  const lines = response.body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(lines, [
    { state: 'waiting', model: 'iris', version: '1', ...progress },
    { state: 'done', model: 'iris', version: '1', ...progress, computed: 5, total: 5, errors: [] },
  ]);
});

test('what is wrong before it begins is an answer of its own, and later it is the last line', async () => {
  const before = await setUp().ask('/admin/cache/warm', { model: 'plain' });
  assert.deepEqual([before.statusCode, before.json().error.details.field], [400, 'model']);
  const broken = Promise.reject(invalidInput('file', 'file: The file "a" is absent.'));
  broken.catch(() => {});
  const later = await setUp(broken).ask('/admin/cache/warm', { model: 'iris', file: 'a' });
  const last = JSON.parse(later.body.trimEnd().split('\n').at(-1)!);
  assert.deepEqual([later.statusCode, last.error.code, last.error.details.field], [200, 'INVALID_INPUT', 'file']);
});

test('closing the listener cancels what runs before it waits for it', async () => {
  const result = Promise.withResolvers<WarmStatus>();
  const { app, ask, asked, cancelled } = setUp(result.promise);
  const answered = ask('/admin/cache/warm', { model: 'iris' });
  const until = async (condition: () => boolean) => {
    for (let turn = 0; !condition() && turn < 10_000; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  await until(() => asked.length > 0);
  const closed = app.close();
  await until(() => cancelled.length > 0);
  assert.deepEqual(cancelled, ['The server is stopping.']);
  result.resolve(status('stopped', { reason: cancelled[0] }));
  assert.match((await answered).body, /"reason":"The server is stopping."/);
  await closed;
});
