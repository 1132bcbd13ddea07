import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failure, serve, two } from './testing/oip-server.ts';

describe('the server', () => {
  it('says who it is and which extensions it has', async () => {
    const { get } = serve({});
    const { name, version, extensions } = (await get('/v2')).json();
    assert.deepEqual([name, version], ['hotpath', '1.2.3']);
    assert.ok(extensions.includes('binary_tensor_data') && extensions.includes('model_repository'));
    assert.equal((await get('/v2/')).body, (await get('/v2')).body);
    const looking = serve({}, { control: 'none', extensions: ['sequence'] });
    const shown = (await looking.get('/v2')).json().extensions;
    assert.deepEqual(
      [shown.includes('model_repository'), shown.includes('logging'), shown.at(-1)],
      [false, false, 'sequence'],
    );
  });

  it('is live, and ready when it is', async () => {
    assert.deepEqual((await serve({}).get('/v2/health/live')).json(), { live: true });
    assert.equal((await serve({}).get('/v2/health/ready')).statusCode, 200);
    const starting = await serve({}, { health: () => ({ state: 'starting' }) }).get('/v2/health/ready');
    assert.deepEqual([starting.statusCode, starting.json()], [503, { live: true, ready: false }]);
  });

  it('answers unknown routes and methods in the form of the protocol, and counts them', async () => {
    const served = serve({});
    assert.deepEqual(failure(await served.get('/v2/nothing')), [
      404,
      'No route GET /v2/nothing; GET /docs lists them.',
    ]);
    assert.equal((await served.get('/v2/models/m/infer')).statusCode, 404);
    assert.deepEqual(served.errors, ['oip-rest NOT_FOUND', 'oip-rest NOT_FOUND']);
  });

  it('shows what it does not know as its own fault and tells nothing', async () => {
    const served = serve(
      {},
      {
        health: () => {
          throw new Error('secret path');
        },
      },
    );
    assert.deepEqual(failure(await served.get('/v2/health/ready')), [500, 'Something went wrong inside the server.']);
  });
});

describe('a model', () => {
  it('has metadata with all versions and labels, loaded for the asking', async () => {
    const { get, registry } = serve(two);
    const expected = {
      name: 'm',
      versions: ['1', '2'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
      properties: { 'label.stable': '1' },
    };
    assert.deepEqual((await get('/v2/models/m')).json(), expected);
    assert.deepEqual((await get('/v2/models/m/versions/stable')).json(), expected);
    assert.equal((await registry.describe('m', '1')).state, 'ready');
  });

  it('is ready when it can serve, and is loaded to find out', async () => {
    const { get } = serve({ ...two, bad: { versions: { 1: { loadError: 'no such operator' } } } });
    const ready = await get('/v2/models/m/versions/1/ready');
    assert.deepEqual([ready.statusCode, ready.json()], [200, { name: 'm', ready: true }]);
    const bad = await get('/v2/models/bad/ready');
    assert.deepEqual([bad.statusCode, bad.json()], [503, { name: 'bad', ready: false }]);
    assert.equal((await get('/v2/models/none/ready')).statusCode, 404);
  });

  it('shows its configuration as Triton would, without the batch axis', async () => {
    const { get } = serve({ ...two, solo: { versions: { 1: { unsafe: 'mixes rows' } } } });
    const config = (await get('/v2/models/m/config')).json();
    assert.equal(config.platform, 'onnxruntime_onnx');
    assert.ok(config.max_batch_size > 0);
    assert.deepEqual(config.input, [{ name: 'x', data_type: 'TYPE_FP32', dims: [4] }]);
    assert.deepEqual(config.version_policy, { specific: { versions: [1, 2] } });
    assert.equal(config.dynamic_batching.max_queue_delay_microseconds, 2000);
    assert.deepEqual(config.dynamic_batching.default_queue_policy.default_timeout_microseconds, 1_000_000);
    assert.equal(config.instance_group[0].kind, 'KIND_CPU');
    const solo = (await get('/v2/models/solo/config')).json();
    assert.deepEqual([solo.max_batch_size, solo.input[0].dims, solo.dynamic_batching], [0, [-1, 4], undefined]);
  });

  it('that does not exist or cannot be loaded is a clear error', async () => {
    const { get } = serve({ bad: { versions: { 1: { loadError: 'no such operator' } } } });
    assert.equal(failure(await get('/v2/models/none'))[0], 404);
    assert.equal(failure(await get('/v2/models/bad/versions/9/config'))[0], 404);
    const [status, message] = failure(await get('/v2/models/bad'));
    assert.deepEqual([status, /no such operator/.test(message)], [503, true]);
  });

  it('hands infer requests to the exchange before their body is read', async () => {
    const { post, exchanged } = serve(two);
    assert.equal((await post('/v2/models/m%20x/infer', 'not json')).body, 'taken over');
    await post('/v2/models/m/versions/stable/infer', 'not json');
    assert.deepEqual(exchanged, [
      { model: 'm x', version: undefined },
      { model: 'm', version: 'stable' },
    ]);
  });
});

describe('statistics', () => {
  it('have whole counts and nanoseconds for every phase', async () => {
    const { get } = serve(two);
    const [first, second] = (await get('/v2/models/m/stats')).json().model_stats;
    assert.deepEqual(second, {
      name: 'm',
      version: '2',
      last_inference: 1_700_000_000_123,
      inference_count: 12,
      execution_count: 3,
      inference_stats: {
        success: { count: 10, ns: 1e9 },
        fail: { count: 1, ns: 5 },
        queue: { count: 10, ns: 7 },
        compute_input: { count: 10, ns: 8 },
        compute_infer: { count: 10, ns: 9 },
        compute_output: { count: 10, ns: 10 },
        cache_hit: { count: 2, ns: 11 },
        cache_miss: { count: 8, ns: 12 },
      },
      response_stats: {},
      batch_stats: [
        {
          batch_size: 4,
          compute_input: { count: 3, ns: 1 },
          compute_infer: { count: 3, ns: 2 },
          compute_output: { count: 3, ns: 3 },
        },
      ],
      memory_usage: [],
    });
    assert.deepEqual(first.inference_stats.success, { count: 0, ns: 0 });
  });

  it('are of one version, of one model, or of all that is loaded', async () => {
    const { get } = serve({ m: { versions: { 2: { bytes: 500 } } }, other: { versions: { 1: {} } } });
    const versions = async (url: string) =>
      (await get(url))
        .json()
        .model_stats.map(({ name, version }: { name: string; version: string }) => `${name}/${version}`);
    assert.deepEqual(await versions('/v2/models/stats'), []);
    await get('/v2/models/m');
    assert.deepEqual(await versions('/v2/models/stats'), ['m/2']);
    assert.deepEqual(await versions('/v2/models/m/versions/2/stats'), ['m/2']);
    assert.deepEqual(await versions('/v2/models/other/stats'), ['other/1']);
    assert.equal((await get('/v2/models/none/stats')).statusCode, 404);
    const [stats] = (await get('/v2/models/m/stats')).json().model_stats;
    assert.equal(stats.memory_usage[0].type, 'CPU');
  });
});
