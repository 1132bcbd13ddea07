/** A source or a tier that fails: who is answered what, and who is spared. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SourceFailure } from './source-failure.ts';
import { ages, answered, FakeStore, pass, settle, world } from './testing/feature-world.ts';

describe('a source of features that fails', () => {
  const down = () => {
    throw new SourceFailure('down', false);
  };

  it('answers nobody: 503 with Retry-After, and not remembered', async () => {
    const at = world();
    at.source.answer = down;
    const asked = at.ask('a');
    const refusal = assert.rejects(asked, {
      code: 'MODEL_NOT_READY',
      message: 'The source of features of the model "m" does not answer; try again shortly.',
      details: { retryAfterSeconds: 1 },
    });
    await settle(at);
    await refusal;
    at.source.answer = ages;
    assert.deepEqual(await answered(at, at.ask('a')), [{ age: 1 }]);
    assert.deepEqual(at.logged, ['the source of features does not answer', 'the source of features answers again']);
  });

  it('is given up after its time, and what it says too late is remembered', async () => {
    const at = world({ timeoutMs: 500 });
    const refusal = assert.rejects(at.ask('a'), { code: 'MODEL_NOT_READY' });
    await pass(at, 500);
    await refusal;
    at.source.pending[0]!.resolve([{ age: 9 }]);
    await settle(at);
    assert.equal((await at.ask('a'))[0]!.age, 9);
    assert.equal(at.source.calls.length, 1);
  });

  it('is spared after 5 failures in a row, tried again after a second, and found back', async () => {
    const at = world();
    at.source.answer = down;
    for (let count = 0; count < 8; count++) {
      const refusal = assert.rejects(at.ask(`${count}`));
      await settle(at);
      await refusal;
    }
    assert.equal(at.source.calls.length, 5);
    assert.equal(at.cache.status().breaker, 'open');
    at.clock.advance(1000);
    at.source.answer = ages;
    assert.deepEqual(await answered(at, at.ask('a')), [{ age: 1 }]);
    assert.equal(at.cache.status().breaker, 'closed');
  });

  it('is not spared while it answers, however wrong', async () => {
    const at = world();
    at.source.answer = () => {
      throw new SourceFailure('status 400', false, { answered: true });
    };
    for (let count = 0; count < 8; count++) {
      const refusal = assert.rejects(at.ask(`${count}`), { code: 'MODEL_NOT_READY' });
      await settle(at);
      await refusal;
    }
    assert.equal(at.source.calls.length, 8);
  });

  it('gives what was known, up to ten times its time', async () => {
    const at = world({ ttlMs: 1000 });
    at.source.answer = ages;
    await answered(at, at.ask('a'));
    at.source.answer = down;
    at.clock.advance(9999);
    assert.deepEqual(await answered(at, at.ask('a')), [{ age: 1 }]);
    assert.equal(at.cache.counts.stale, 1);
    at.clock.advance(1);
    const refusal = assert.rejects(at.ask('a'), { code: 'MODEL_NOT_READY' });
    await settle(at);
    await refusal;
  });

  it('gives what was known at once while it is spared', async () => {
    const at = world({ ttlMs: 1000 });
    at.source.answer = ages;
    await answered(at, at.ask('a'));
    at.source.answer = down;
    at.clock.advance(1500);
    for (let count = 0; count < 5; count++) await answered(at, at.ask('a'));
    const rows = at.cache.getMany(['a'], undefined, undefined);
    assert.ok(!(rows instanceof Promise));
    assert.equal(rows[0]!.age, 1);
  });

  it('is not believed when it answers the wrong number of entities', async () => {
    const at = world();
    at.source.answer = () => [];
    const refusal = assert.rejects(at.ask('a'), { code: 'MODEL_NOT_READY' });
    await settle(at);
    await refusal;
    assert.match(at.cache.status().lastError!, /answered 0 of 1 entities/);
  });

  it('is asked once more after a lost connection, for a tenth of the calls', async () => {
    const at = world({ ttlMs: 0 });
    let failures = 0;
    at.source.answer = (entities) => {
      // Every call fails at first, never its repetition: the breaker stays closed.
      if (failures++ % 2 === 0) throw new SourceFailure('lost', true);
      return ages(entities);
    };
    const first = at.ask('a');
    await pass(at, 20);
    assert.deepEqual(await answered(at, first), [{ age: 1 }]);
    assert.equal(at.cache.status().repeats, 1);

    at.source.answer = ages;
    for (let count = 0; count < 100; count++) await answered(at, at.ask('a'));
    for (let round = 0; round < 30; round++) {
      let lost = true;
      at.source.answer = (entities) => {
        if (!lost) return ages(entities);
        lost = false;
        throw new SourceFailure('lost', true);
      };
      const asked = at.ask('a').catch(() => undefined);
      await pass(at, 20);
      await asked;
      // Between failures the breaker is told that the source works.
      at.source.answer = ages;
      await answered(at, at.ask('b'));
    }
    const { calls, repeats } = at.cache.status();
    assert.ok(repeats > 5 && repeats <= 1 + 0.1 * (calls - repeats), `${repeats} of ${calls}`);
  });

  it('is not asked again after failures that a repetition cannot help', async () => {
    const at = world();
    at.source.answer = down;
    const refusal = assert.rejects(at.ask('a'));
    await pass(at, 100);
    await refusal;
    assert.equal(at.source.calls.length, 1);
  });
});

describe('tiers beyond memory', () => {
  it('are asked before the source, written after it, and repaired upwards', async () => {
    const near = new FakeStore();
    const far = new FakeStore();
    const first = world({ stores: [near, far] });
    first.source.answer = ages;
    await answered(first, first.ask('a'));
    assert.deepEqual([near.entries.size, far.entries.size], [1, 1]);
    near.entries.clear();

    const second = world({ stores: [near, far] });
    assert.deepEqual(await answered(second, second.ask('a')), [{ age: 1 }]);
    assert.equal(second.source.calls.length, 0);
    assert.equal(near.entries.size, 1);
    assert.ok(!(second.cache.getMany(['a'], undefined, undefined) instanceof Promise));
    assert.deepEqual({ ...second.cache.counts }, { memory: 1, far: 1, source: 0, stale: 0, unknown: 0, failed: 0 });
  });

  it('remember unknown entities, and names longer than a key', async () => {
    const store = new FakeStore();
    const long = 'é'.repeat(512);
    const first = world({ stores: [store] });
    first.source.answer = (entities) => entities.map((entity) => (entity === 'nobody' ? undefined : { age: 1 }));
    await answered(first, first.ask('nobody', long));
    const second = world({ stores: [store] });
    assert.deepEqual(await answered(second, second.ask('nobody', long)), [undefined, { age: 1 }]);
    assert.equal(second.source.calls.length, 0);
    for (const key of store.entries.keys()) assert.match(key, /^[!-~]{1,512}$/);
  });

  it('are not believed about another entity', async () => {
    const store = new FakeStore();
    const first = world({ stores: [store] });
    first.source.answer = ages;
    await answered(first, first.ask('a'));
    const [entry] = store.entries.values();
    store.entries.set(entry!.key.replace(/a$/, 'b'), entry!);
    const second = world({ stores: [store] });
    second.source.answer = () => [{ age: 42 }];
    assert.deepEqual(await answered(second, second.ask('b')), [{ age: 42 }]);
  });

  for (const mode of ['hangs', 'rejects', 'throws'] as const) {
    it(`never fail a request when one ${mode}, and are spared after 5 times`, async () => {
      const store = new FakeStore();
      store.mode = mode;
      const at = world({ stores: [store] });
      at.source.answer = ages;
      for (let count = 0; count < 8; count++) {
        const asked = at.ask(`${count}`);
        await pass(at, 25);
        assert.deepEqual(await answered(at, asked), [{ age: 1 }]);
      }
      assert.equal(store.reads, 5);
    });
  }
});
