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

describe('eviction', () => {
  const three = {
    a: { versions: { 1: { bytes: 40 } } },
    b: { versions: { 1: { bytes: 40 } } },
    c: { versions: { 1: { bytes: 40 } } },
  };

  it('frees the least recently used, and waits until it is closed', async () => {
    const world = registryWorld(three, { memoryBudget: 100 });
    for (const name of ['a', 'b']) (await world.registry.acquire(name)).release();
    ready(world, 'a').release();
    (await world.registry.acquire('c')).release();
    assert.deepEqual(await states(world), ['a/1 ready', 'b/1 unloaded', 'c/1 ready']);
    assert.deepEqual([world.registry.usedBytes, world.engine.openBytes], [80, 80]);
  });

  it('takes models whose sequences live after idle ones, however long ago they were used', async () => {
    const world = registryWorld(three, { maxLoadedModels: 2 });
    const a = await world.registry.acquire('a');
    a.release();
    a.model.runner.liveSequences = 1;
    (await world.registry.acquire('b')).release();
    (await world.registry.acquire('c')).release();
    assert.deepEqual(await states(world), ['a/1 ready', 'b/1 unloaded', 'c/1 ready']);
    a.model.runner.liveSequences = 0;
    (await world.registry.acquire('b')).release();
    assert.deepEqual(await states(world), ['a/1 unloaded', 'b/1 ready', 'c/1 ready']);
  });

  it('takes busy models last, and lets their requests finish first', async () => {
    const world = registryWorld(three, { maxLoadedModels: 2 });
    const a = await world.registry.acquire('a');
    (await world.registry.acquire('b')).release();
    const c = await world.registry.acquire('c');
    assert.deepEqual(await states(world), ['a/1 ready', 'b/1 unloaded', 'c/1 ready']);
    const b = world.registry.acquire('b');
    await settle();
    assert.deepEqual(await states(world), ['a/1 unloading', 'b/1 loading', 'c/1 ready']);
    assert.equal(a.model.runner.closed, false);
    a.release();
    assert.equal((await b).model.view.name, 'b');
    assert.equal(a.model.runner.closed, true);
    assert.equal(c.model.runner.closed, false);
  });

  it('spares pinned models, and loads over the budget rather than not at all', async () => {
    const world = registryWorld({ ...three, a: { ...three.a, config: { pinned: true } } }, { memoryBudget: 70 });
    await world.registry.start();
    assert.deepEqual(await states(world), ['a/1 ready', 'b/1 unloaded', 'c/1 unloaded']);
    for (const name of ['b', 'c']) (await world.registry.acquire(name)).release();
    assert.deepEqual(await states(world), ['a/1 ready', 'b/1 unloaded', 'c/1 ready']);
    assert.deepEqual((await world.registry.describe('c')).loaded?.notes, [
      'Loaded over the budget: nothing else could be evicted.',
    ]);
  });

  it('loads a model larger than the whole budget alone, with a note', async () => {
    const world = registryWorld(
      { ...three, big: { versions: { 1: { bytes: 3 * 2 ** 20 } } } },
      { memoryBudget: 2 ** 20 },
    );
    (await world.registry.acquire('a')).release();
    (await world.registry.acquire('big')).release();
    assert.deepEqual(await states(world), ['a/1 unloaded', 'b/1 unloaded', 'big/1 ready', 'c/1 unloaded']);
    assert.deepEqual((await world.registry.describe('big')).loaded?.notes, [
      'Needs about 3.0 MiB, more than the whole memory budget of 1.0 MiB.',
    ]);
  });
});

describe('unload', () => {
  it('finishes what is in flight, and loads again on the next request', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } } });
    const lease = await world.registry.acquire('a');
    let done = false;
    const unloaded = world.registry.unload('a').then(() => {
      done = true;
    });
    await settle();
    assert.deepEqual([await states(world), done, lease.model.runner.closed], [['a/1 unloading'], false, false]);
    lease.release();
    await unloaded;
    assert.deepEqual([await states(world), world.engine.open.size], [['a/1 unloaded'], 0]);
    assert.notEqual((await world.registry.acquire('a')).model, lease.model);
  });

  it('holds it unloaded when asked to, until an explicit load', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } } });
    (await world.registry.acquire('a')).release();
    await world.registry.unload('a', undefined, true);
    await assert.rejects(async () => world.registry.acquire('a'), { code: 'MODEL_NOT_READY' });
    assert.match((await world.registry.describe('a')).reason ?? '', /waits for an explicit load/);
    assert.equal((await world.registry.load('a')).state, 'ready');
    ready(world, 'a');
  });

  it('waits for a load in progress and then undoes it', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } } });
    const waiting = world.registry.acquire('a');
    await settle();
    const unloaded = world.registry.unload('a');
    (await waiting).release();
    await unloaded;
    assert.deepEqual([await states(world), world.engine.open.size], [['a/1 unloaded'], 0]);
  });

  it('does not know unknown models', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } } });
    for (const call of [
      () => world.registry.unload('b'),
      () => world.registry.unload('a', '9'),
      () => world.registry.reload('b'),
    ]) {
      await assert.rejects(call, { code: 'MODEL_NOT_FOUND' });
    }
  });
});

describe('close', () => {
  it('refuses new requests, waits for leases, and frees everything', async () => {
    const world = registryWorld({ a: { versions: { 1: tiny } }, b: { versions: { 1: tiny } } }, { watch: true });
    await world.registry.start();
    assert.equal(world.source.watching, true);
    const lease = await world.registry.acquire('a');
    const late = world.registry.acquire('b');
    const closed = world.registry.close();
    assert.equal(world.registry.close(), closed);
    await assert.rejects(async () => world.registry.acquire('a'), { code: 'SHUTTING_DOWN' });
    await assert.rejects(async () => late, { code: 'SHUTTING_DOWN' });
    assert.deepEqual([lease.model.runner.closed, world.source.watching], [false, false]);
    lease.release();
    await closed;
    assert.deepEqual([lease.model.runner.closed, world.engine.open.size, world.registry.usedBytes], [true, 0, 0]);
  });
});
