import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CancelToken } from '../types.ts';
import { featurePrefix } from './feature-keys.ts';
import { ages, answered, MapMemory, pass, settle, world } from './testing/feature-world.ts';

describe('features of entities', () => {
  it('go out together when they are asked for in one turn, each once', async () => {
    const at = world();
    at.source.answer = ages;
    const first = at.ask('a', 'bb', 'a');
    const second = at.ask('bb', 'ccc');
    assert.deepEqual(await answered(at, first), [{ age: 1 }, { age: 2 }, { age: 1 }]);
    assert.deepEqual(await answered(at, second), [{ age: 2 }, { age: 3 }]);
    assert.deepEqual(at.source.calls, [['a', 'bb', 'ccc']]);
  });

  it('are 10 fetches at most for 1,000 requests of 10 entities', async () => {
    const at = world();
    at.source.maxBatch = 1;
    const asked = Array.from({ length: 1000 }, (_, index) => at.ask(`user:${index % 10}`));
    await settle(at);
    assert.equal(at.source.calls.length, 8);
    while (at.source.pending.length > 0) {
      at.source.pending.shift()!.resolve([{ age: 7 }]);
      await settle(at);
    }
    for (const rows of asked) assert.equal((await rows)[0]!.age, 7);
    assert.equal(at.source.calls.length, 10);
  });

  it('are asked for in batches of at most as many as the source takes', async () => {
    const at = world();
    at.source.answer = ages;
    await answered(at, at.ask(...Array.from({ length: 250 }, (_, index) => `${index}`)));
    assert.deepEqual(
      at.source.calls.map((call) => call.length),
      [100, 100, 50],
    );
  });

  it('come from memory without a promise until their time is over', async () => {
    const at = world({ ttlMs: 60_000 });
    at.source.answer = ages;
    await answered(at, at.ask('a'));
    at.clock.advance(59_999);
    const rows = at.cache.getMany(['a'], undefined, undefined);
    assert.ok(!(rows instanceof Promise));
    assert.equal(rows[0]!.age, 1);
    at.clock.advance(1);
    await answered(at, at.ask('a'));
    assert.equal(at.source.calls.length, 2);
  });

  it('end up to a tenth before their time', async () => {
    const at = world({ ttlMs: 1000, random: () => 1 });
    at.source.answer = ages;
    await answered(at, at.ask('a'));
    at.clock.advance(900);
    assert.ok(at.cache.getMany(['a'], undefined, undefined) instanceof Promise);
  });

  it('stay unknown for the shorter time', async () => {
    const at = world({ negativeTtlMs: 5000 });
    at.source.answer = (entities) => entities.map(() => undefined);
    assert.deepEqual(await answered(at, at.ask('nobody')), [undefined]);
    at.clock.advance(4999);
    assert.deepEqual(at.cache.getMany(['nobody'], undefined, undefined), [undefined]);
    at.clock.advance(1);
    await answered(at, at.ask('nobody'));
    assert.equal(at.source.calls.length, 2);
    assert.equal(at.cache.counts.unknown, 3);
  });

  it('are not remembered with a time of 0, and still fetched once at a time', async () => {
    const at = world({ ttlMs: 0 });
    at.source.answer = ages;
    await Promise.all([answered(at, at.ask('a')), answered(at, at.ask('a'))]);
    await answered(at, at.ask('a'));
    assert.equal(at.source.calls.length, 2);
  });

  it('keep only what the model takes', async () => {
    const at = world();
    at.source.answer = () => [{ age: 1, name: 'x', nested: { a: 1 } as never }];
    assert.deepEqual(await answered(at, at.ask('a')), [{ age: 1 }]);
  });

  it('are apart by model, configuration and signature', async () => {
    const memory = new MapMemory();
    const prefixes = [{}, { key: '/v2/{entity}' }, { source: 'http://b.test' }].map(async (config) => {
      const at = world({ memory, ...config });
      at.source.answer = ages;
      await answered(at, at.ask('a'));
      assert.equal(at.source.calls.length, 1);
    });
    await Promise.all(prefixes);
    assert.equal(memory.entries.size, 3);
    for (const key of memory.entries.keys()) assert.ok(key.startsWith(featurePrefix('m')));
  });
});

describe('callers that wait for features', () => {
  it('leave when they are cancelled, without ending it for others', async () => {
    const at = world();
    const cancel = new CancelToken();
    const leaving = at.cache.getMany(['a'], undefined, cancel) as Promise<unknown>;
    const staying = at.ask('a');
    await settle(at);
    cancel.cancel();
    await assert.rejects(leaving, { code: 'CANCELLED' });
    assert.equal(cancel.onCancel, undefined);
    at.source.pending[0]!.resolve([{ age: 1 }]);
    assert.deepEqual(await answered(at, staying), [{ age: 1 }]);
  });

  it('leave at once when they were cancelled before', async () => {
    const at = world();
    const cancel = new CancelToken();
    cancel.cancel();
    await assert.rejects(async () => at.cache.getMany(['a'], undefined, cancel), { code: 'CANCELLED' });
    await settle(at);
    assert.equal(at.source.calls.length, 0);
  });

  it('leave at their own deadline', async () => {
    const at = world({ timeoutMs: 500 });
    const asked = at.cache.getMany(['a'], 50, undefined) as Promise<unknown>;
    const refusal = assert.rejects(asked, { code: 'DEADLINE_EXCEEDED' });
    await pass(at, 50);
    await refusal;
  });

  it('wait in a line of bounded time and length', async () => {
    const at = world({ timeoutMs: 500 });
    at.source.maxBatch = 1;
    const asked = Array.from({ length: 10_010 }, (_, index) => at.ask(`${index}`).catch((error) => error.code));
    await pass(at, 0);
    assert.equal(at.cache.status().running, 8);
    assert.equal(at.cache.status().waiting, 9992);
    await pass(at, 500);
    await pass(at, 500);
    const codes = await Promise.all(asked);
    assert.equal(codes.filter((code) => code === 'OVERLOADED').length, 10);
    assert.equal(codes.filter((code) => code === 'MODEL_NOT_READY').length, 10_000);
    assert.equal(at.cache.status().running, 0);
    assert.equal(at.cache.status().waiting, 0);
    assert.ok(at.source.calls.length <= 16, `${at.source.calls.length}`);
  });
});
