import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { loadConfig } from '../../config/load.ts';
import { HotpathError } from '../../core/errors.ts';
import type { ModelCatalog, ModelStatus } from '../../core/registry/catalog.ts';
import { createAdminServer } from './admin-server.ts';

function setUp() {
  const done: string[] = [];
  const status: ModelStatus = { name: 'iris', version: '1', state: 'ready', labels: [] };
  const known = (model: string): void => {
    if (model !== 'iris') throw new HotpathError('MODEL_NOT_FOUND', `There is no model "${model}".`);
  };
  const catalog: ModelCatalog = {
    list: async () => [status],
    snapshot: () => [status],
    describe: async () => status,
    load: async (model, version) => {
      known(model);
      done.push(`load ${model} ${version ?? '-'}`);
      return status;
    },
    unload: async (model, version, hold) => {
      known(model);
      done.push(`unload ${model} ${version ?? '-'}${hold ? ' hold' : ''}`);
    },
    reload: async (model) => {
      known(model);
      done.push(`reload ${model}`);
      return [status];
    },
  };
  const logged: string[] = [];
  const log = (_: object, message: string) => void logged.push(message);
  const { app } = createAdminServer({
    config: loadConfig({ file: undefined, env: {}, flags: {} }).config,
    logger: { debug: log, info: log, warn: log, error: log },
    catalog,
    setLogLevel: async (level) => void done.push(`level ${level}`),
    pools: () => ({ upstreams: [], pools: [] }),
    profileCpu: async (seconds) => ({ seconds }),
    profileHeap: async () => {
      throw new HotpathError('OVERLOADED', 'Another profile is being taken.', { retryAfterSeconds: 3 });
    },
  });
  return {
    done,
    logged,
    ask: (request: InjectOptions) => app.inject({ headers: { host: '127.0.0.1:8002' }, ...request }),
  };
}

test('loads, unloads and reloads a model, a version or a label, and logs each', async () => {
  const { ask, done, logged } = setUp();
  for (const path of [
    'iris/load',
    'iris/versions/stable/load',
    'iris/versions/2/unload',
    'iris/unload?hold=true',
    'iris/reload',
  ]) {
    assert.equal((await ask({ method: 'POST', url: `/admin/models/${path}` })).statusCode, 200, path);
  }
  assert.deepEqual(done, ['load iris -', 'load iris stable', 'unload iris 2', 'unload iris - hold', 'reload iris']);
  assert.equal(logged.length, 5);
});

test('an unknown model is a 404 in the form of every error', async () => {
  const response = await setUp().ask({ method: 'POST', url: '/admin/models/nope/load' });
  assert.equal(response.statusCode, 404);
  assert.deepEqual(response.json(), { error: { code: 'MODEL_NOT_FOUND', message: 'There is no model "nope".' } });
});

test('the log level is checked by name', async () => {
  const { ask, done } = setUp();
  const good = await ask({ method: 'PUT', url: '/admin/log-level', payload: { level: 'debug' } });
  assert.deepEqual([good.statusCode, done], [200, ['level debug']]);
  for (const payload of [{ level: 'loud' }, { level: 3 }, {}, []]) {
    const bad = await ask({ method: 'PUT', url: '/admin/log-level', payload });
    assert.deepEqual([bad.statusCode, bad.json().error.details.field], [400, 'level']);
  }
});

test('a CPU profile comes as a file; one at a time', async () => {
  const { ask } = setUp();
  const cpu = await ask({ method: 'POST', url: '/admin/profile/cpu?seconds=2' });
  assert.deepEqual(cpu.json(), { seconds: 2 });
  assert.equal(cpu.headers['content-disposition'], 'attachment; filename="hotpath.cpuprofile"');
  const heap = await ask({ method: 'POST', url: '/admin/profile/heap' });
  assert.deepEqual([heap.statusCode, heap.headers['retry-after']], [503, '3']);
});

test('pages of other sites are refused, whether they bring an Origin or a name that resolves here', async () => {
  const { ask, done } = setUp();
  for (const headers of [
    { host: '127.0.0.1:8002', origin: 'https://evil.example' },
    { host: 'rebound.example:8002' },
    { host: '127.0.0.1:8002', origin: 'null' },
    { host: '127.0.0.1.evil.example' },
  ]) {
    const response = await ask({ method: 'POST', url: '/admin/models/iris/unload', headers });
    assert.equal(response.statusCode, 400, JSON.stringify(headers));
  }
  assert.deepEqual(done, []);
  for (const headers of [{ host: 'localhost:8002' }, { host: '[::1]:8002', origin: 'http://[::1]:8002' }]) {
    assert.equal((await ask({ method: 'GET', url: '/admin/models', headers })).statusCode, 200);
  }
});

test('unknown routes and malformed bodies answer 4xx', async () => {
  const { ask } = setUp();
  assert.equal((await ask({ method: 'GET', url: '/admin/nope' })).statusCode, 404);
  const response = await ask({
    method: 'PUT',
    url: '/admin/log-level',
    payload: '{',
    headers: { host: 'localhost', 'content-type': 'application/json' },
  });
  assert.equal(response.statusCode, 400);
});
