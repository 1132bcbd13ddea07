import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HotpathError } from '../../core/errors.ts';
import type { LoadRequest } from './repository.ts';
import { failure, type Served, serve, two } from './testing/oip-server.ts';

describe('the repository', () => {
  const states = async ({ post }: Served, body?: object) =>
    (await post('/v2/repository/index', body))
      .json()
      .map((entry: { version: string; state: string }) => `${entry.version} ${entry.state}`);

  it('lists every version with its state, loads all and unloads all', async () => {
    const served = serve(two);
    assert.deepEqual(await states(served), ['1 UNAVAILABLE', '2 UNAVAILABLE']);
    const loaded = await served.post('/v2/repository/models/m/load');
    assert.deepEqual([loaded.statusCode, loaded.body], [200, '']);
    assert.deepEqual(await states(served, { ready: true }), ['1 READY', '2 READY']);
    assert.equal((await served.post('/v2/repository/models/m/unload', {})).statusCode, 200);
    assert.deepEqual(await states(served, { ready: true }), []);
    // Unloaded by an operator: it does not come back by being asked for.
    assert.equal((await served.get('/v2/models/m/ready')).statusCode, 503);
    await served.post('/v2/repository/models/m/load', { parameters: {} });
    assert.deepEqual(await states(served, { ready: true }), ['1 READY', '2 READY']);
  });

  it('hands a load with a config and files on, and refuses it where nobody takes it', async () => {
    const requests: LoadRequest[] = [];
    const body = {
      parameters: { config: '{"max_batch_size":2}', 'file:1/model.onnx': Buffer.alloc(150_000, 1).toString('base64') },
    };
    const served = serve(two, { loadOverride: async (request) => void requests.push(request) });
    assert.equal((await served.post('/v2/repository/models/new/load', body)).statusCode, 200);
    assert.deepEqual(
      [requests[0]!.model, requests[0]!.config, requests[0]!.files[0]!.bytes.length],
      ['new', { max_batch_size: 2 }, 150_000],
    );
    assert.equal(failure(await serve(two).post('/v2/repository/models/m/load', body))[0], 501);
  });

  it('tells why a load failed', async () => {
    const served = serve({ bad: { versions: { 1: { loadError: 'no such operator' } } } });
    const [status, message] = failure(await served.post('/v2/repository/models/bad/load'));
    assert.deepEqual([status, /no such operator/.test(message)], [503, true]);
    assert.equal(failure(await served.post('/v2/repository/models/none/load'))[0], 404);
  });

  it('changes nothing for clients of a port without control', async () => {
    const served = serve(two, { control: 'none' });
    for (const url of ['/v2/repository/models/m/load', '/v2/repository/models/m/unload', '/v2/logging']) {
      const [status, message] = failure(await served.post(url, { log_info: false }));
      assert.deepEqual([status, /is not allowed on this port/.test(message)], [501, true], url);
    }
    assert.deepEqual(await states(served), ['1 UNAVAILABLE', '2 UNAVAILABLE']);
    assert.equal(served.level, 'info');
  });
});

describe('settings', () => {
  it('show and change the log level, whatever type curl sends', async () => {
    const served = serve({});
    assert.equal((await served.get('/v2/logging')).json().log_verbose_level, 0);
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const changed = await served.post('/v2/logging', '{"log_verbose_level":1}', form);
    assert.deepEqual([changed.statusCode, changed.json().log_verbose_level, served.level], [200, 1, 'debug']);
    assert.equal(failure(await served.post('/v2/logging', { log_inf: true }))[0], 400);
    assert.equal(served.level, 'debug');
  });

  it('say that nothing is traced', async () => {
    const { get, post } = serve(two);
    assert.deepEqual((await get('/v2/trace/setting')).json().trace_level, ['OFF']);
    assert.deepEqual((await get('/v2/models/m/trace/setting')).json().trace_level, ['OFF']);
    assert.equal(failure(await get('/v2/models/none/trace/setting'))[0], 404);
    assert.equal(failure(await post('/v2/trace/setting', { trace_level: ['TENSORS'] }))[0], 501);
    assert.equal((await post('/v2/models/m/trace/setting', {})).statusCode, 200);
  });
});

describe('bodies of these calls', () => {
  const messageOf = async (body: string, headers?: Record<string, string>) =>
    failure(await serve({}).post('/v2/repository/index', body, headers));

  it('are refused with a sentence when they are no JSON object, too deep, too large or compressed', async () => {
    assert.deepEqual(await messageOf('[]'), [400, 'body: expected an object, got a list of 0']);
    assert.deepEqual(await messageOf('{'), [400, 'The body is not valid JSON: unexpected text at position 1.']);
    assert.match((await messageOf(`{"a":${'['.repeat(30)}${']'.repeat(30)}}`))[1], /nested deeper than 20/);
    assert.deepEqual(await messageOf(`{"a":"${'x'.repeat(70_000)}"}`), [
      413,
      'The body is larger than this call takes.',
    ]);
    assert.equal((await messageOf('{}', { 'content-encoding': 'gzip' }))[0], 415);
    assert.deepEqual(await messageOf('{"ready":true,"ready":false}'), [400, 'The name "ready" is given twice.']);
  });

  it('keep an error of the core as it is', async () => {
    const overloaded = serve(
      {},
      {
        health: () => {
          throw new HotpathError('OVERLOADED', 'Full.', { retryAfterSeconds: 2.5 });
        },
      },
    );
    const answer = await overloaded.get('/v2/health/ready');
    assert.deepEqual([...failure(answer), answer.headers['retry-after']], [503, 'Full.', '3']);
  });
});
