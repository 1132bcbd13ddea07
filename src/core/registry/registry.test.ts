import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FakeRunner, type RegistryWorld, registryWorld, settle } from '../testing/registry-world.ts';
import type { Lease } from './loaded-model.ts';

const tiny = { bytes: 100, perRowMs: 0.01, fixedMs: 0.01 };

/** The lease of a model that is ready: acquiring it must not even make a promise. */
function ready({ registry }: RegistryWorld, name?: string, version?: string): Lease<FakeRunner> {
  const lease = registry.acquire(name, version);
  assert.ok(!(lease instanceof Promise), `${name} ${version} is not ready`);
  return lease;
}

async function states({ registry }: RegistryWorld): Promise<string[]> {
  return (await registry.list()).map((status) => `${status.name}/${status.version} ${status.state}`);
}

describe('acquiring a model', () => {
  it('loads it once for all who ask at the same time, and then answers synchronously', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } } });
    assert.deepEqual(await states(world), ['a/1 unloaded']);
    const leases = await Promise.all(Array.from({ length: 50 }, () => world.registry.acquire('a')));
    assert.equal(world.engine.history.length, 1);
    assert.deepEqual(world.loadEvents, ['loaded a/1']);
    assert.equal(leases[0]!.model.leases, 50);
    const { finds } = world.source;
    assert.equal(ready(world, 'a').model, leases[0]!.model);
    assert.equal(ready(world, 'a', '1').model, leases[0]!.model);
    assert.equal(world.source.finds, finds);
    assert.equal((await world.registry.acquire(undefined)).model, leases[0]!.model);
    assert.equal(ready(world).model, leases[0]!.model);
    assert.deepEqual(await states(world), ['a/1 ready']);
  });

  it('finds versions by number and by label', async () => {
    const world = registryWorld({
      a: { versions: { 1: tiny, 2: tiny, 3: tiny }, config: { versionPolicy: 'all', labels: { stable: '2' } } },
    });
    const versionOf = async (version?: string) => (await world.registry.acquire('a', version)).model.view.version;
    assert.deepEqual(await Promise.all([versionOf(), versionOf('1'), versionOf('stable')]), ['3', '1', '2']);
    assert.equal(ready(world, 'a', 'stable').model.view.version, '2');
    await assert.rejects(async () => world.registry.acquire('a', '7'), {
      code: 'MODEL_NOT_FOUND',
      message: 'Model "a" has no version "7"; it serves: 1, 2, 3 (labels: stable).',
    });
  });

  it('looks once a second for a name nobody has', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } } });
    const refused = () =>
      assert.rejects(async () => world.registry.acquire('b'), {
        code: 'MODEL_NOT_FOUND',
        message: 'There is no model "b".',
      });
    for (let i = 0; i < 20; i++) await refused();
    assert.equal(world.source.finds, 1);
    world.source.folders.set('b', { versions: { 1: tiny } });
    await refused();
    world.clock.advance(1000);
    assert.equal((await world.registry.acquire('b')).model.view.name, 'b');
  });

  it('refuses a lease that is given back twice', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } } });
    const lease = await world.registry.acquire('a');
    lease.release();
    assert.throws(() => lease.release(), { code: 'INTERNAL' });
  });
});

describe('the default model', () => {
  it('is the configured one, the only one, or iris', async () => {
    const nameOf = async (world: RegistryWorld) => (await world.registry.acquire(undefined)).model.view.name;
    const folder = { versions: { 1: tiny } };
    assert.equal(await nameOf(registryWorld({ a: folder, b: folder, iris: folder }, { defaultModel: 'b' })), 'b');
    assert.equal(await nameOf(registryWorld({ b: folder, empty: { versions: {} } })), 'b');
    assert.equal(await nameOf(registryWorld({ a: folder, iris: folder })), 'iris');
  });

  it('is asked for by name when there are several, and said to be missing when there are none', async () => {
    const folder = { versions: { 1: tiny } };
    const world = registryWorld({ a: folder, b: folder });
    for (let i = 0; i < 3; i++) {
      await assert.rejects(async () => world.registry.acquire(undefined), {
        code: 'MODEL_NOT_FOUND',
        message: 'The request names no model and there is no default among: "a", "b".',
      });
    }
    assert.equal(world.source.lists, 1);
    await assert.rejects(async () => registryWorld({}).registry.acquire(undefined), /repository is empty/);
  });
});

describe('a model that does not load', () => {
  it('is failed with the reason, and is not tried again by every request', async () => {
    const world = registryWorld({
      bad: { versions: { 1: { probeError: 'Unsupported opset 99.' } } },
      good: { versions: { 1: tiny } },
    });
    const refused = () =>
      assert.rejects(async () => world.registry.acquire('bad'), {
        code: 'MODEL_FAILED',
        message: 'Model "bad" version "1" could not be loaded: Unsupported opset 99.',
      });
    for (let i = 0; i < 10; i++) await refused();
    assert.equal(world.engine.probes, 1);
    const status = await world.registry.describe('bad');
    assert.deepEqual([status.state, status.reason], ['failed', 'Unsupported opset 99.']);
    assert.deepEqual(world.loadEvents, ['failed bad/1']);
    assert.equal((await world.registry.acquire('good')).model.view.name, 'good');
    world.clock.advance(5000);
    await refused();
    assert.equal(world.engine.probes, 3);
    world.clock.advance(5000);
    await refused();
    assert.equal(world.engine.probes, 3);
    await assert.rejects(world.registry.load('bad'), { code: 'MODEL_FAILED' });
    assert.equal(world.engine.probes, 4);
  });

  it('is tried again a second after its file or its config changed', async () => {
    const world = registryWorld({ a: { versions: { 1: { loadError: 'no kernel' } } } });
    await assert.rejects(async () => world.registry.acquire('a'), /no kernel/);
    world.source.folders.set('a', { versions: { 1: tiny } });
    world.clock.advance(1000);
    assert.equal((await world.registry.acquire('a')).model.view.version, '1');
  });

  it('leaves no memory behind', async () => {
    const world = registryWorld({ a: { versions: { 1: { bytes: 50, loadError: 'no kernel' } } } });
    await assert.rejects(async () => world.registry.acquire('a'));
    assert.deepEqual([world.registry.usedBytes, world.engine.open.size], [0, 0]);
  });

  it('says so when model.json is broken, in status and in requests', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny }, configError: 'model.json: there is no field "x".' } });
    const expected = { code: 'MODEL_FAILED', message: /could not be loaded: model\.json: there is no field "x"\.$/ };
    await assert.rejects(async () => world.registry.acquire('a'), expected);
    await assert.rejects(world.registry.load('a'), expected);
    const status = await world.registry.describe('a');
    assert.deepEqual([status.state, status.reason], ['failed', 'model.json: there is no field "x".']);
    assert.equal(world.engine.probes, 0);
  });

  it('refuses an empty file before the engine sees it', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } } });
    const { find } = world.source;
    world.source.find = async (name) => {
      const entry = await find.call(world.source, name);
      return { ...entry!, versions: entry!.versions.map((file) => ({ ...file, sizeBytes: 0 })) };
    };
    await assert.rejects(
      async () => world.registry.acquire('a'),
      /could not be loaded: The file model\.onnx is empty\.$/,
    );
    assert.equal(world.engine.probes, 0);
  });

  it('does not serve a file that changed under the load', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } } });
    const arrival = Promise.withResolvers<void>();
    world.engine.barrier = arrival.promise;
    const refused = assert.rejects(async () => world.registry.acquire('a'), /The file changed while it was loaded\.$/);
    await settle();
    world.source.folders.set('a', { versions: { 1: { ...tiny, bytes: 7 } } });
    arrival.resolve();
    await refused;
    assert.equal(world.engine.open.size, 0);
    world.clock.advance(1000);
    assert.equal((await world.registry.acquire('a')).model.status().memoryBytes, 7);
  });

  it('gives up after loadTimeoutMs, and closes what arrives too late', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } } }, { loadTimeoutMs: 1000 });
    const arrival = Promise.withResolvers<void>();
    world.engine.barrier = arrival.promise;
    const refused = assert.rejects(async () => world.registry.acquire('a'), /did not load within 1 s/);
    await settle();
    world.clock.advance(1000);
    await refused;
    arrival.resolve();
    await settle();
    assert.deepEqual([world.engine.history.length, world.engine.open.size, world.registry.usedBytes], [1, 0, 0]);
  });
});

describe('what a loaded model says of itself', () => {
  it('has the plan, the learned cost and the batch curve', async () => {
    const world = registryWorld({ a: { versions: { 1: { bytes: 10, perRowMs: 1, fixedMs: 4 } } } }, { cores: 8 });
    const { loaded } = await world.registry.load('a');
    assert.ok(loaded !== undefined);
    assert.deepEqual([loaded.instances, loaded.intraOpThreads, loaded.memoryBytes], [2, 4, 20]);
    assert.deepEqual(loaded.batching, { enabled: true, maxBatchSize: 128, maxDelayMs: undefined });
    assert.ok(Math.abs(loaded.cost.perRowMs - 1) < 1e-6 && Math.abs(loaded.cost.fixedMs - 4) < 1e-6);
    assert.deepEqual(
      loaded.batchCurve.map(({ rows, ms }) => [rows, Math.round(ms)]),
      [
        [1, 5],
        [2, 6],
        [4, 8],
        [8, 12],
        [16, 20],
        [32, 36],
        [64, 68],
        [128, 132],
      ],
    );
    assert.ok(Math.abs(loaded.capacityRowsPerSecond - (2 * 128 * 1000) / 132) < 1e-3);
    assert.equal(loaded.sloMs, 1000);
  });

  it('runs an unsafe model one by one, and says why', async () => {
    const world = registryWorld({ a: { versions: { 1: { ...tiny, unsafe: 'Rows influence each other.' } } } });
    const { model } = await world.registry.acquire('a');
    assert.deepEqual(model.status().batching, {
      enabled: false,
      reason: 'Rows influence each other.',
      maxBatchSize: 1,
      maxDelayMs: undefined,
    });
    assert.equal(model.view.batchable, false);
    assert.deepEqual(new Set(world.engine.history[0]!.runs), new Set([1]));
  });

  it('never batches more rows than the sweep could run', async () => {
    const world = registryWorld({
      a: { versions: { 1: { ...tiny, failsFromRows: 8 } }, config: { maxBatchSize: 64 } },
    });
    const { model } = await world.registry.acquire('a');
    assert.equal(model.runner.options.maxBatchSize, 4);
    assert.deepEqual(model.status().notes, ['The warm-up run with 8 rows failed: out of memory']);
  });

  it('obeys model.json', async () => {
    const config = { warmupRows: [], maxBatchSize: 5, maxDelayMs: 2, sloMs: 50, maxQueueRows: 9, classNames: ['x'] };
    const world = registryWorld({ a: { versions: { 1: tiny }, config: { ...config, nan: 'reject' as const } } });
    const { options } = (await world.registry.acquire('a')).model.runner;
    assert.deepEqual(
      [
        options.maxBatchSize,
        options.maxDelayMs,
        options.sloMs,
        options.maxQueueRows,
        options.model.labels,
        options.model.nan,
      ],
      [5, 2, 50, 9, ['x'], 'reject'],
    );
    assert.deepEqual(world.engine.history[0]!.runs, []);
  });
});

describe('start', () => {
  it('loads pinned models, with preload all, and does not fail for those that fail', async () => {
    const folders = {
      a: { versions: { 1: tiny }, config: { pinned: true } },
      b: { versions: { 1: tiny } },
      bad: { versions: { 1: { probeError: 'broken' } }, config: { pinned: true } },
    };
    const lazy = registryWorld(folders);
    await lazy.registry.start();
    assert.deepEqual(await states(lazy), ['a/1 ready', 'b/1 unloaded', 'bad/1 failed']);
    const eager = registryWorld(folders, { preload: true });
    await eager.registry.start();
    assert.deepEqual(await states(eager), ['a/1 ready', 'b/1 ready', 'bad/1 failed']);
    assert.deepEqual(
      eager.registry.snapshot().map((status) => status.state),
      ['ready', 'ready', 'failed'],
    );
  });
});
