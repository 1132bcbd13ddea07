import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PredictionRecord } from '../../ports/prediction-store.ts';
import { HeldStore, makeWorld, turn } from './testing/prediction-world.ts';

const down = new Error('the database is gone');

describe('prediction writer with a failing store', () => {
  it('tries again with growing pauses, one batch at a time, and loses nothing', async () => {
    const store = new HeldStore();
    const { clock, writer, pending, lines } = makeWorld({ store });
    const ids = Array.from({ length: 2000 }, () => writer.add(pending(), undefined));
    clock.flush();
    await store.finish(down);
    await store.finish(down);
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 12; attempt++) {
      const begunMs = clock.now();
      while (store.inFlight === 0) clock.advance(1);
      pauses.push(clock.now() - begunMs);
      assert.equal(store.inFlight, 1);
      await store.finish(down);
    }
    for (const [index, pause] of pauses.entries()) {
      const longest = Math.min(2000, 50 * 2 ** index);
      assert.ok(pause >= longest / 2 && pause <= longest + 1, `${index}: ${pause}`);
    }
    clock.advance(2000);
    while (store.inFlight > 0) await store.finish();
    assert.deepEqual([...store.stored.keys()].sort(), ids);
    assert.deepEqual([writer.counters.written, writer.counters.dropped, writer.counters.failedBatches], [2000, 0, 14]);
    assert.equal(writer.counters.retried, 14_000);
    assert.deepEqual(
      lines.map(({ level }) => level),
      ['warn', 'info'],
    );
  });

  it('fills its buffer up to the bound meanwhile, and not beyond', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store, capacity: 2500 });
    for (let round = 0; round < 40; round++) {
      for (let count = 0; count < 100; count++) writer.add(pending(), undefined);
      clock.advance(100);
      while (store.inFlight > 0) await store.finish(down);
      assert.ok(writer.waiting <= 2500);
    }
    assert.deepEqual([writer.waiting, writer.counters.dropped], [2500, 1500]);
  });

  it('gives up exactly the record that the store refuses while it takes others', async () => {
    const stored = new Set<string>();
    let poison = '';
    const store = {
      async insertMany(records: readonly PredictionRecord[]): Promise<void> {
        if (records.some(({ id }) => id === poison)) throw new Error('a value is out of range');
        for (const { id } of records) stored.add(id);
      },
    };
    const { clock, writer, pending, lines } = makeWorld({ store });
    const records = Array.from({ length: 700 }, () => pending());
    poison = records[345]!.id;
    for (const record of records) writer.add(record, undefined);
    for (let round = 0; round < 500 && writer.waiting > 0; round++) {
      clock.advance(100);
      await turn();
      if (round % 10 === 0 && round < 100) records.push(pending());
      if (round % 10 === 0 && round < 100) writer.add(records.at(-1)!, undefined);
    }
    assert.deepEqual(
      [...stored].sort(),
      records.map(({ id }) => id).filter((id) => id !== poison),
    );
    assert.deepEqual([writer.counters.dropped, writer.waiting], [1, 0]);
    assert.equal(lines.filter(({ level }) => level === 'error').length, 1);
  });

  it('gives nothing up however long the store refuses everything', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store });
    const id = writer.add(pending(), undefined);
    for (let attempt = 0; attempt < 50; attempt++) {
      clock.advance(2000);
      await store.finish(down);
    }
    clock.advance(2000);
    await store.finish();
    assert.deepEqual([...store.stored.keys()], [id]);
  });
});

describe('closing the prediction writer', () => {
  it('writes everything at once and says that nothing was lost', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store });
    const ids = [writer.add(pending(), undefined), writer.add(pending(), undefined)];
    const closed = writer.close(1000);
    assert.equal(writer.close(5), closed);
    assert.equal(writer.add(pending(), 1000), undefined);
    clock.flush();
    await store.finish();
    assert.equal(await closed, 0);
    assert.deepEqual([...store.stored.keys()], ids);
    assert.equal(writer.counters.dropped, 1);
  });

  it('ends at once when there is nothing to write', async () => {
    const { clock, writer } = makeWorld({ store: new HeldStore() });
    const closed = writer.close(1000);
    clock.flush();
    assert.equal(await closed, 0);
  });

  it('tries a failing store until the time is up and reports what was lost', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store, capacity: 3, full: 'wait' });
    for (let count = 0; count < 3; count++) writer.add(pending(), 10_000);
    const held = writer.add(pending(), 10_000);
    clock.advance(20);
    await store.finish(down);
    const closed = writer.close(1000);
    clock.flush();
    assert.equal(store.inFlight, 1, 'without waiting for the pause to end');
    await store.finish(down);
    for (let round = 0; round < 100; round++) {
      clock.advance(10);
      while (store.inFlight > 0) await store.finish(down);
    }
    assert.equal(await closed, 4);
    assert.equal(await held, undefined);
    assert.deepEqual([writer.counters.dropped, writer.waiting], [4, 0]);
    const attempts = store.attempts.length;
    clock.runToEnd();
    assert.equal(store.attempts.length, attempts, 'nothing begins after the end');
  });

  it('does not wait for a store that never answers', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store, mode: 'stored' });
    const told = writer.add(pending(), 60_000);
    clock.flush();
    const closed = writer.close(500);
    clock.advance(500);
    assert.equal(await closed, 1);
    assert.equal(await told, undefined);
    await store.finish();
    assert.equal(writer.counters.written, 0);
  });

  it('saves what it can when the store comes back in time', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store });
    for (let count = 0; count < 10; count++) writer.add(pending(), undefined);
    clock.advance(20);
    await store.finish(down);
    const closed = writer.close(5000);
    clock.flush();
    await store.finish(down);
    for (let round = 0; round < 50; round++) {
      clock.advance(100);
      while (store.inFlight > 0) await store.finish();
    }
    assert.equal(await closed, 0);
    assert.equal(store.stored.size, 10);
  });
});

describe('prediction writer under random failures', () => {
  it('keeps every promise, stays within its bounds and accounts for every record', async () => {
    const step = fc.record({
      adds: fc.nat(60),
      advanceMs: fc.nat(120),
      finishes: fc.array(fc.boolean(), { maxLength: 3 }),
    });
    const settings = fc.record({
      mode: fc.constantFrom('async' as const, 'stored' as const),
      full: fc.constantFrom('drop' as const, 'wait' as const),
      capacity: fc.integer({ min: 1, max: 150 }),
      steps: fc.array(step, { maxLength: 25 }),
    });
    await fc.assert(
      fc.asyncProperty(settings, async ({ mode, full, capacity, steps }) => {
        const store = new HeldStore();
        const { clock, writer, pending } = makeWorld({ store, mode, full, capacity });
        const told: string[] = [];
        let added = 0;
        const note = (id: string | undefined): void => {
          if (id === undefined) return;
          told.push(id);
          if (mode === 'stored') assert.ok(store.stored.has(id), 'told before it was durable');
        };
        for (const { adds, advanceMs, finishes } of steps) {
          for (let count = 0; count < adds; count++, added++) {
            const result = writer.add(pending(), clock.now() + 100);
            if (result instanceof Promise) void result.then(note);
            else note(result);
          }
          clock.advance(advanceMs);
          assert.ok(store.inFlight <= 2);
          assert.ok(store.attempts.every((batch) => batch.length <= 1000));
          for (const ok of finishes) if (store.inFlight > 0) await store.finish(ok ? undefined : down);
          if (full === 'drop') assert.ok(writer.waiting <= capacity);
        }
        const closed = writer.close(60_000);
        for (let round = 0; round < 200; round++) {
          clock.advance(100);
          while (store.inFlight > 0) await store.finish();
        }
        assert.equal(await closed, 0);
        await turn();
        const { written, dropped } = writer.counters;
        assert.deepEqual([written + dropped, store.stored.size, writer.waiting], [added, written, 0]);
        for (const id of told) assert.ok(store.stored.has(id), 'told and lost');
        for (const batch of store.attempts) {
          const ids = batch.map(({ id }) => id);
          assert.deepEqual([...ids].sort(), ids);
        }
      }),
      { numRuns: 60 },
    );
  });
});
