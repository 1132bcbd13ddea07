import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PendingPrediction } from './pending-prediction.ts';
import { HeldStore, makeWorld, turn } from './testing/prediction-world.ts';

const down = new Error('the database is gone');
const sizes = (store: HeldStore): number[] => store.attempts.map((batch) => batch.length);

describe('prediction writer', () => {
  it('writes what came within 20 ms as one batch, in order', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store });
    const ids = [writer.add(pending(), undefined), writer.add(pending(), undefined)];
    clock.advance(19);
    ids.push(writer.add(pending(), undefined));
    assert.deepEqual(sizes(store), []);
    clock.advance(1);
    await store.finish();
    assert.deepEqual([...store.stored.keys()], ids);
    assert.deepEqual(writer.counters, { written: 3, dropped: 0, retried: 0, failedBatches: 0, unconfirmed: 0 });
    assert.equal(writer.waiting, 0);
  });

  it('writes full batches at once, two at a time, and the rest when they are done', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store });
    const ids = Array.from({ length: 3500 }, () => writer.add(pending(), undefined));
    assert.deepEqual(sizes(store), [], 'not while a request is answered');
    clock.flush();
    assert.deepEqual(sizes(store), [1000, 1000]);
    clock.advance(100);
    await store.finish();
    assert.deepEqual(sizes(store), [1000, 1000, 1000]);
    await store.finish();
    assert.deepEqual(sizes(store), [1000, 1000, 1000]);
    await store.finish();
    assert.deepEqual(sizes(store), [1000, 1000, 1000, 500]);
    await store.finish();
    assert.deepEqual([...store.stored.keys()], ids);
  });

  it('begins a batch early when its tensors are many bytes', () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store });
    for (let count = 0; count < 5; count++) writer.add(pending({ inputs: new Uint8Array(1024 * 1024) }), undefined);
    clock.flush();
    assert.deepEqual(sizes(store), [4]);
  });

  it('drops and counts the newest when the buffer is full', async () => {
    const store = new HeldStore();
    const { clock, writer, pending, lines } = makeWorld({ store, capacity: 3 });
    const ids = Array.from({ length: 5 }, () => writer.add(pending(), 1000));
    assert.deepEqual(ids.slice(3), [undefined, undefined]);
    assert.equal(writer.takes(1000), false);
    assert.deepEqual([writer.counters.dropped, writer.waiting], [2, 3]);
    assert.equal(lines.filter(({ level }) => level === 'warn').length, 1);
    clock.advance(20);
    assert.equal(writer.takes(1000), false, 'what is being written still counts');
    await store.finish();
    assert.equal(writer.takes(1000), true);
    assert.deepEqual([...store.stored.keys()], ids.slice(0, 3));
  });

  it('is full too when it holds too many bytes', () => {
    const { writer, pending } = makeWorld({ store: new HeldStore(), maxHeldBytes: 1000 });
    assert.notEqual(
      writer.add(pending({ inputs: new Uint8Array(600), outputs: new Uint8Array(400) }), undefined),
      undefined,
    );
    assert.equal(writer.add(pending(), undefined), undefined);
  });

  it('finds a record by its id until it is stored, wherever it waits', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store });
    const records = Array.from({ length: 3100 }, () => pending());
    for (const record of records) writer.add(record, undefined);
    clock.flush();
    for (const at of [0, 999, 1000, 1500, 2000, 2999, 3000, 3099]) {
      assert.equal(writer.find(records[at]!.id), records[at], String(at));
    }
    assert.equal(writer.find(pending().id), undefined);
    await store.finish();
    assert.equal(writer.find(records[0]!.id), undefined);
    clock.advance(100);
    await store.finish(down);
    assert.equal(writer.find(records[1000]!.id), records[1000], 'to be tried again');
  });

  it('leaves nothing to be digested before a batch is written', () => {
    let digests = 0;
    const digest = (bytes: Uint8Array) => {
      digests++;
      return bytes;
    };
    const { clock, writer, pending } = makeWorld({ store: new HeldStore(), digest });
    writer.add(pending({ inputs: new Uint8Array(4) }), undefined);
    writer.add(pending(), undefined);
    assert.equal(digests, 0);
    clock.advance(20);
    assert.equal(digests, 1);
  });
});

describe('prediction writer in mode stored', () => {
  const add = async (result: ReturnType<ReturnType<typeof makeWorld>['writer']['add']>) => result;

  it('gives the id when the record is durable, and joins what came meanwhile', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store, mode: 'stored' });
    const records = [pending(), pending(), pending()];
    const told: (string | undefined)[] = [];
    const tell = (record: PendingPrediction) => void add(writer.add(record, 1000)).then((id) => told.push(id));
    tell(records[0]!);
    clock.flush();
    tell(records[1]!);
    tell(records[2]!);
    clock.flush();
    await turn();
    assert.deepEqual([sizes(store), told], [[1], []]);
    await store.finish();
    assert.deepEqual([sizes(store), told], [[1, 2], [records[0]!.id]]);
    await store.finish();
    assert.deepEqual(
      told,
      records.map(({ id }) => id),
    );
  });

  it('lets the answer go without an id when its time is up, and still writes the record', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store, mode: 'stored' });
    const record = pending();
    const told = add(writer.add(record, 50));
    clock.advance(50);
    assert.equal(await told, undefined);
    await store.finish();
    assert.ok(store.stored.has(record.id));
    assert.deepEqual([writer.counters.unconfirmed, writer.counters.dropped, writer.counters.written], [1, 0, 1]);
  });

  it('lets answers go when the store fails, and holds none back until it works again', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store, mode: 'stored' });
    const told = add(writer.add(pending(), 10_000));
    clock.flush();
    await store.finish(down);
    assert.equal(await told, undefined);
    assert.equal(writer.add(pending(), 10_000), undefined);
    assert.equal(writer.counters.dropped, 0);
    clock.advance(2000);
    await store.finish();
    await store.finish();
    assert.deepEqual([store.stored.size, writer.waiting], [2, 0]);
    const after = add(writer.add(pending(), 10_000));
    clock.flush();
    await store.finish();
    assert.notEqual(await after, undefined);
  });

  it('promises nothing to who cannot wait', () => {
    const { writer, pending } = makeWorld({ store: new HeldStore(), mode: 'stored' });
    assert.equal(writer.add(pending(), undefined), undefined);
    assert.deepEqual([writer.waiting, writer.counters.unconfirmed], [1, 0]);
  });
});

describe('prediction writer that waits for room', () => {
  it('holds answers back in order until there is room', async () => {
    const store = new HeldStore();
    const { clock, writer, pending } = makeWorld({ store, capacity: 2, full: 'wait' });
    const records = Array.from({ length: 5 }, () => pending());
    const told: (string | undefined)[] = [];
    for (const record of records) {
      const result = writer.add(record, 1000);
      if (result instanceof Promise) void result.then((id) => told.push(id));
    }
    assert.equal(writer.waiting, 5);
    assert.equal(writer.add(pending(), undefined), undefined, 'who cannot wait is dropped');
    clock.advance(20);
    await store.finish();
    assert.deepEqual(told, [records[2]!.id, records[3]!.id]);
    clock.advance(20);
    await store.finish();
    clock.advance(20);
    await store.finish();
    assert.deepEqual(
      told,
      records.slice(2).map(({ id }) => id),
    );
    assert.deepEqual(
      [...store.stored.keys()],
      records.map(({ id }) => id),
    );
  });

  it('drops and counts a record whose request has no time left', async () => {
    const { clock, writer, pending } = makeWorld({ store: new HeldStore(), capacity: 1, full: 'wait' });
    writer.add(pending(), 1000);
    const told = writer.add(pending(), 30);
    assert.ok(told instanceof Promise);
    clock.advance(30);
    assert.equal(await told, undefined);
    assert.deepEqual([writer.counters.dropped, writer.waiting], [1, 1]);
    assert.equal(writer.takes(30), false);
    assert.equal(writer.takes(31), true);
  });
});
