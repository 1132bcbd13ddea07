import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from './config/load.ts';
import { HotpathError } from './core/errors.ts';
import type { ModelStatus } from './core/registry/catalog.ts';
import { SimulatedClock } from './core/simulated-clock.ts';
import type { InferCall, InferResponse, ModelState } from './core/types.ts';
import type { CacheStatus } from './ports/cache-status.ts';
import type { ModelConfig } from './ports/model-source.ts';
import { CacheOperations, type CacheOperationsDeps, type CacheQuestion } from './server-cache.ts';

const body = '{"features": [1, 2]}\n';
const nothing = { hours: undefined, top: undefined, file: undefined, version: undefined };

const memoryStatus = (entries: number, state: 'closed' | 'open' = 'closed'): CacheStatus => ({
  tiers: [
    { tier: 'memory', state: 'closed', entries, bytes: 10 * entries, maxBytes: 1000, evictions: 1 },
    { tier: 'redis', state },
  ],
  models: [{ model: 'iris', version: '2', entries, bytes: 10 * entries }],
});

function setUp(
  given: { configs?: Record<string, ModelConfig>; siblings?: (question: CacheQuestion) => unknown[] } = {},
) {
  const clock = new SimulatedClock();
  const events: string[] = [];
  const ready = new Set<string>();
  const broken = new Map<string, string>();
  const configs: Record<string, ModelConfig> = given.configs ?? {
    iris: { deterministic: true, cache: { warm: { file: 'lines' } } },
    plain: {},
  };
  const state = { cachedBytes: 400, rss: 0, warming: [] as string[] };
  const waiting: PromiseWithResolvers<InferResponse>[] = [];
  const log = (fields: object, message: string) => {
    const { failed } = fields as { failed?: number };
    events.push(failed === undefined ? message : `${message} (${failed} failed)`);
  };
  const deps: CacheOperationsDeps = {
    config: loadConfig({ file: undefined, env: {}, flags: {} }).config,
    clock,
    logger: { debug: log, info: log, warn: log, error: log },
    cachedBytes: () => state.cachedBytes,
    cache: {
      status: () => ({
        memory: { entries: 1, bytes: 10, maxBytes: 1000, evictions: 1 },
        tiers: [{ tier: 'redis', breaker: 'closed' }],
        writeBuffer: {} as ReturnType<CacheOperationsDeps['cache']['status']>['writeBuffer'],
        // Of one version there may be several contents.
        models: [
          { model: 'iris', version: '2', loaded: true, entries: 1, bytes: 10 },
          { model: 'iris', version: '2', loaded: false, entries: 0, bytes: 0 },
        ],
      }),
      invalidate: async ({ model, version }) => {
        events.push(`invalidate ${model} ${version}`);
        return { memory: 3, far: { redis: 7 }, failed: ['database', 'announcement'] };
      },
      relieve: () => {
        state.cachedBytes /= 2;
      },
      warming: (model, version) => {
        state.warming.push(`${model} ${version}`);
        return () => void state.warming.pop();
      },
    },
    models: {
      describe: async (name, version) => {
        if (configs[name] === undefined) throw new HotpathError('MODEL_NOT_FOUND', `There is no model "${name}".`);
        const state: ModelState = broken.has(name) ? 'failed' : 'ready';
        const status: ModelStatus = { name, version: version ?? '2', state, labels: [], reason: broken.get(name) };
        return status;
      },
      definition: (name) => (configs[name] === undefined ? undefined : { config: configs[name] }),
      warm: async (name, version) => {
        events.push(`load ${name} ${version}`);
        if (!broken.has(name)) ready.add(`${name}/${version}`);
      },
      isReady: (name, version) => ready.has(`${name}/${version}`),
    },
    source: { readFile: async () => new TextEncoder().encode(body) },
    infer: (call: InferCall) => {
      const answer = Promise.withResolvers<InferResponse>();
      waiting.push(answer);
      call.cancel!.onCancel = () => answer.reject(new HotpathError('CANCELLED', 'The client left.'));
      return answer.promise;
    },
    predictions: async () => undefined,
    askSiblings: async (question) => given.siblings?.(question) ?? [],
    unixMs: () => 0,
    memoryLimitBytes: 1000,
    rssBytes: () => state.rss,
  };
  const operations = new CacheOperations(deps);
  const settle = async () => {
    for (let step = 0; step < 6; step++) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.flush();
    }
  };
  const answerAll = (cache: InferResponse['cache'] = 'miss') => {
    for (const answer of waiting.splice(0)) answer.resolve({ cache } as InferResponse);
  };
  return { operations, events, ready, broken, waiting, settle, answerAll, state, clock };
}

describe('cache operations', () => {
  it('add up the memory of all processes, and show the worst that any sees of a shared tier', async () => {
    const { operations } = setUp({ siblings: () => [memoryStatus(2, 'open'), memoryStatus(4)] });
    assert.deepEqual(await operations.status(), {
      processes: 3,
      tiers: [
        { tier: 'memory', state: 'closed', entries: 7, bytes: 70, maxBytes: 3000, evictions: 3 },
        {
          tier: 'redis',
          state: 'open',
          entries: undefined,
          bytes: undefined,
          maxBytes: undefined,
          evictions: undefined,
        },
      ],
      models: [{ model: 'iris', version: '2', entries: 7, bytes: 70 }],
    });
  });

  it('drop everywhere, and say what could not be reached', async () => {
    const { operations, events } = setUp();
    assert.deepEqual(await operations.invalidate({ model: 'iris', version: '1' }), {
      dropped: { memory: 3, redis: 7 },
      failed: ['database', 'announcement'],
    });
    await operations.invalidate({ model: 'ir*' });
    assert.deepEqual(events, ['invalidate iris 1', 'invalidate ir* undefined']);
  });

  it('give memory back when it is short', async () => {
    const { events, state, clock } = setUp();
    state.rss = 950;
    clock.advance(5000);
    assert.deepEqual([state.cachedBytes, events], [200, ['memory is short: cached entries were dropped']]);
  });

  it('refuse an unknown model and one without a cache', async () => {
    const { operations, events } = setUp();
    await assert.rejects(operations.invalidate({ model: 'none' }), { code: 'MODEL_NOT_FOUND' });
    await assert.rejects(operations.invalidate({ model: 'plain' }), {
      code: 'INVALID_INPUT',
      message: 'model: "plain" has no cache; set "deterministic" or "cache" in its model.json.',
    });
    await assert.rejects(operations.warm({ ...nothing, model: 'none' }), { code: 'MODEL_NOT_FOUND' });
    await assert.rejects(operations.warm({ ...nothing, model: 'plain' }), { code: 'INVALID_INPUT' });
    assert.deepEqual(events, []);
  });

  it('load what is to be warmed, warm what its configuration says, and then tell the siblings', async () => {
    const questions: CacheQuestion[] = [];
    const { operations, events, state, settle, answerAll } = setUp({
      siblings: (question) => {
        questions.push(question);
        return [];
      },
    });
    const request = { ...nothing, model: 'iris' };
    const job = await operations.warm(request);
    await settle();
    assert.deepEqual([events, job.status().state, job.status().total], [['load iris 2'], 'warming', 1]);
    assert.deepEqual([questions, state.warming], [[], ['iris 2']]);
    answerAll();
    await settle();
    assert.deepEqual(state.warming, []);
    assert.deepEqual([(await job.result).computed, questions], [1, [{ type: 'warm', request }]]);
  });

  it('say why a model cannot be warmed that does not load', async () => {
    const { operations, broken } = setUp();
    broken.set('iris', 'the file is no ONNX model.');
    await assert.rejects(operations.warm({ ...nothing, model: 'iris' }), {
      code: 'MODEL_FAILED',
      message: 'Model "iris" version 2 cannot be warmed: the file is no ONNX model.',
    });
  });

  it('without anything said, ask the prediction log, and say so when there is none', async () => {
    const { operations } = setUp({ configs: { iris: { deterministic: true } } });
    const job = await operations.warm({ ...nothing, model: 'iris' });
    await assert.rejects(job.result, { code: 'INVALID_INPUT', message: /predictionLog/ });
  });

  it('warm at load what is configured, once per load, and tell the log', async () => {
    const { operations, events, ready, waiting, settle, answerAll } = setUp();
    const config: ModelConfig = { deterministic: true, cache: { warm: { file: 'lines' } } };
    operations.modelReady('plain', '1', {});
    operations.modelReady('iris', '1', { ...config, cache: false });
    await settle();
    assert.equal(waiting.length, 0);
    ready.add('iris/1');
    operations.modelReady('iris', '1', config);
    await settle();
    operations.modelReady('iris', '1', config);
    await settle();
    assert.deepEqual(events, ['cache warm-up stopped (0 failed)']);
    answerAll('bypass');
    await settle();
    assert.deepEqual(events.slice(1), ['cache warmed, but not with all inputs (1 failed)']);
  });

  it('stop warming a model that was unloaded meanwhile', async () => {
    const { operations, events, waiting, settle } = setUp();
    operations.modelReady('iris', '1', { cache: { warm: { file: 'lines' } } });
    await settle();
    assert.deepEqual([waiting.length, events], [0, ['cache warm-up stopped (0 failed)']]);
  });

  it('end warm-ups when the server stops, without waiting for answers', async () => {
    const { operations, settle } = setUp();
    const jobs = [
      await operations.warm({ ...nothing, model: 'iris' }),
      await operations.warm({ ...nothing, model: 'iris' }),
    ];
    await settle();
    const closed = operations.close();
    await settle();
    await closed;
    const ends = await Promise.all(jobs.map(({ result }) => result));
    assert.deepEqual(
      ends.map(({ state, reason }) => [state, reason]),
      Array(2).fill(['stopped', 'The server is stopping.']),
    );
  });
});
