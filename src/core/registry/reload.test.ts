import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FakeFolder, type RegistryWorld, registryWorld, settle } from '../testing/registry-world.ts';

const one = { bytes: 1 };
const two = { bytes: 2 };
const broken = { loadError: 'no kernel for Foo' };

async function states({ registry }: RegistryWorld): Promise<string[]> {
  return (await registry.list()).map((status) => `${status.name}/${status.version} ${status.state}`);
}

/** A world where the only version of `a` is loaded, and the folder then changed. */
async function changed(before: FakeFolder, after: FakeFolder): Promise<RegistryWorld> {
  const world = registryWorld({ a: before }, { watch: true });
  await world.registry.start();
  (await world.registry.acquire('a')).release();
  world.source.folders.set('a', after);
  return world;
}

describe('reload', () => {
  it('swaps in one step: requests before it finish on the old version, requests after it start on the new', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: two } });
    const old = await world.registry.acquire('a');
    const arrival = Promise.withResolvers<void>();
    world.engine.barrier = arrival.promise;
    const reloaded = world.registry.reload('a');
    await settle();
    const during = world.registry.acquire('a');
    assert.ok(!(during instanceof Promise) && during.model === old.model);
    during.release();
    arrival.resolve();
    assert.deepEqual(
      (await reloaded).map((status) => [status.version, status.state]),
      [['1', 'ready']],
    );
    const fresh = await world.registry.acquire('a');
    assert.equal(fresh.model.status().memoryBytes, 2);
    assert.deepEqual([old.model.runner.closed, world.engine.open.size], [false, 2]);
    old.release();
    await settle();
    assert.deepEqual([old.model.runner.closed, world.engine.open.size], [true, 1]);
  });

  it('takes a new version and drains the one that is no longer served', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: one, 2: two } });
    assert.deepEqual(await states(world), ['a/1 ready']);
    await world.registry.reload('a');
    await settle();
    assert.deepEqual(await states(world), ['a/2 ready']);
    assert.deepEqual(
      [...world.engine.open].map(({ spec }) => spec.version),
      ['2'],
    );
  });

  it('does nothing when file and config are the same, unless forced', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: one } });
    const { model } = await world.registry.acquire('a');
    await world.registry.reload('a');
    assert.deepEqual([(await world.registry.acquire('a')).model === model, world.engine.history.length], [true, 1]);
    await world.registry.reload('a', true);
    assert.deepEqual([(await world.registry.acquire('a')).model === model, world.engine.history.length], [false, 2]);
  });

  it('moves labels, policy and pins without loading again', async () => {
    const folder = { versions: { 1: one, 2: two } };
    const world = await changed(folder, { ...folder, config: { labels: { stable: '2' }, pinned: true } });
    await world.registry.reload('a');
    const status = await world.registry.describe('a', 'stable');
    assert.deepEqual([status.version, status.labels, status.loaded?.pinned], ['2', ['stable'], true]);
    assert.equal(world.engine.history.length, 1);
  });

  it('loads again when the config asks for something else', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: one }, config: { sloMs: 7 } });
    await world.registry.reload('a');
    assert.equal((await world.registry.acquire('a')).model.runner.options.sloMs, 7);
  });

  it('keeps the old version serving when the new one is broken, and says so', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: one, 2: broken } });
    const { model } = await world.registry.acquire('a');
    await assert.rejects(world.registry.reload('a'), {
      code: 'MODEL_FAILED',
      message: 'Model "a" version "2" could not be loaded: no kernel for Foo',
    });
    assert.equal((await world.registry.acquire('a')).model, model);
    assert.deepEqual(await states(world), ['a/1 ready', 'a/2 failed']);
    world.source.folders.set('a', { versions: { 1: one, 2: two } });
    await world.registry.reload('a');
    assert.deepEqual(await states(world), ['a/2 ready']);
  });

  it('keeps the old contents serving when the same version is replaced by a broken file', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: broken } });
    await assert.rejects(world.registry.reload('a'), { code: 'MODEL_FAILED' });
    const status = await world.registry.describe('a');
    assert.deepEqual([status.state, status.loaded?.memoryBytes], ['ready', 1]);
    assert.equal(status.reason, 'The last reload failed and this version keeps serving: no kernel for Foo');
  });

  it('takes nothing of several new versions when one of them is broken', async () => {
    const config = { versionPolicy: 'all' } as const;
    const world = registryWorld({ a: { versions: { 1: one, 2: one }, config } });
    await Promise.all([world.registry.load('a', '1'), world.registry.load('a', '2')]);
    world.source.folders.set('a', { versions: { 1: two, 2: broken }, config });
    await assert.rejects(world.registry.reload('a'), /version "2"/);
    await settle();
    assert.deepEqual(
      [...world.engine.open].map(({ spec }) => spec.digest),
      ['{"bytes":1}', '{"bytes":1}'],
    );
  });

  it('keeps serving under a broken model.json, and under a policy that serves nothing', async () => {
    for (const after of [
      { versions: { 1: one }, configError: 'model.json: there is no field "x".' },
      { versions: { 1: one }, config: { versionPolicy: ['9'] } },
    ]) {
      const world = await changed({ versions: { 1: one } }, after);
      await assert.rejects(world.registry.reload('a'));
      assert.equal((await world.registry.acquire('a')).model.status().memoryBytes, 1);
    }
  });

  it('loads the model when nothing of it was loaded', async () => {
    const world = registryWorld({ a: { versions: { 1: one } } });
    assert.deepEqual(
      (await world.registry.reload('a')).map((status) => status.state),
      ['ready'],
    );
  });

  it('runs one after the other, and requests for what is not loaded wait for it', async () => {
    const config = { versionPolicy: 'all' } as const;
    const versions = { 1: one, 2: one };
    const world = await changed({ versions, config }, { versions, config: { ...config, sloMs: 7 } });
    const arrival = Promise.withResolvers<void>();
    world.engine.barrier = arrival.promise;
    const reloads = [world.registry.reload('a'), world.registry.reload('a', true)];
    await settle();
    const waiting = world.registry.acquire('a', '1');
    await settle();
    arrival.resolve();
    await Promise.all(reloads);
    assert.equal((await waiting).model.runner.options.sloMs, 7);
    assert.equal(world.engine.history.filter(({ spec }) => spec.version === '2').length, 3);
  });

  it('replaces what was just being loaded for a request', async () => {
    const world = registryWorld({ a: { versions: { 1: one } } });
    const arrival = Promise.withResolvers<void>();
    world.engine.barrier = arrival.promise;
    const waiting = world.registry.acquire('a');
    await settle();
    world.source.folders.set('a', { versions: { 1: one }, config: { sloMs: 7 } });
    const reloaded = world.registry.reload('a');
    await settle();
    arrival.resolve();
    assert.equal((await waiting).model.runner.options.sloMs, 1000);
    await reloaded;
    assert.equal((await world.registry.acquire('a')).model.runner.options.sloMs, 7);
  });

  it('lets a model be swapped that alone fits the budget, without evicting itself', async () => {
    const world = registryWorld({ a: { versions: { 1: { bytes: 60 } } } }, { memoryBudget: 100 });
    (await world.registry.acquire('a')).release();
    world.source.folders.set('a', { versions: { 1: { bytes: 70 } } });
    const arrival = Promise.withResolvers<void>();
    world.engine.barrier = arrival.promise;
    const reloaded = world.registry.reload('a');
    await settle();
    assert.ok(!(world.registry.acquire('a') instanceof Promise));
    arrival.resolve();
    assert.deepEqual(
      (await reloaded).map((status) => status.state),
      ['ready'],
    );
  });

  it('removes a model whose folder is gone', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: one } });
    const lease = await world.registry.acquire('a');
    world.source.folders.delete('a');
    await assert.rejects(world.registry.reload('a'), { code: 'MODEL_NOT_FOUND' });
    await assert.rejects(async () => world.registry.acquire('a'), { code: 'MODEL_NOT_FOUND' });
    assert.equal(lease.model.runner.closed, false);
    lease.release();
    await settle();
    assert.deepEqual([await states(world), world.engine.open.size], [[], 0]);
  });
});

describe('an explicit load', () => {
  it('takes what lies in the folder now', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: one, 2: two } });
    assert.equal((await world.registry.load('a', '2')).state, 'ready');
    assert.equal((await world.registry.acquire('a')).model.view.version, '2');
  });

  it('is nothing for what is loaded', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: one } });
    await world.registry.load('a');
    assert.equal(world.engine.history.length, 1);
  });
});

describe('a change in the watched folder', () => {
  it('swaps models in use, drops removed ones and leaves others to their first request', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: two } });
    world.source.folders.set('b', { versions: { 1: one } });
    await assert.rejects(async () => world.registry.acquire('c'), { code: 'MODEL_NOT_FOUND' });
    world.source.folders.set('c', { versions: { 1: one }, config: { pinned: true } });
    world.source.notify(['a', 'b', 'c']);
    await settle();
    assert.deepEqual(await states(world), ['a/1 ready', 'b/1 unloaded', 'c/1 ready']);
    assert.equal((await world.registry.acquire('a')).model.status().memoryBytes, 2);
    world.source.folders.delete('c');
    world.source.folders.delete('b');
    world.source.notify(['b', 'c']);
    await settle();
    assert.deepEqual(await states(world), ['a/1 ready']);
  });

  it('keeps the old version when the new one is broken, and goes on', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: broken } });
    world.source.notify(['a']);
    await settle();
    assert.equal((await world.registry.acquire('a')).model.status().memoryBytes, 1);
    world.source.folders.set('a', { versions: { 1: two } });
    world.source.notify(['a']);
    await settle();
    assert.equal((await world.registry.acquire('a')).model.status().memoryBytes, 2);
  });

  it('retries a failed model at once', async () => {
    const world = registryWorld({ a: { versions: { 1: broken } } }, { watch: true });
    await world.registry.start();
    await assert.rejects(async () => world.registry.acquire('a'));
    world.source.folders.set('a', { versions: { 1: one } });
    world.source.notify(['a']);
    await settle();
    assert.equal((await world.registry.acquire('a')).model.status().memoryBytes, 1);
  });

  it('makes the default model be chosen anew', async () => {
    const world = await changed({ versions: { 1: one } }, { versions: { 1: one } });
    (await world.registry.acquire(undefined)).release();
    world.source.folders.set('iris', { versions: { 1: one } });
    world.source.notify(['iris']);
    await settle();
    assert.equal((await world.registry.acquire(undefined)).model.view.name, 'iris');
  });
});
