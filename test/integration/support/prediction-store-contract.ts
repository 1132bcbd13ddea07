/**
 * What every Database must do: migrations, predictions, and what database-access-contract.ts adds. Called at the top level of a test
 * file, once per engine. The cache has a contract of its own.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { Database } from '../../../src/ports/database.ts';
import type { PredictionRecord } from '../../../src/ports/prediction-store.ts';
import { accessContract } from './database-access-contract.ts';
import { idAt, prediction } from './predictions.ts';

export interface DatabaseSetup {
  readonly name: string;
  readonly engine: 'sqlite' | 'postgres';
  readonly skip?: string | false;
  /** An open database over the data that all of this setup share, without tables at first. Whoever calls it closes it. */
  open(): Promise<Database>;
}

const minute = 60_000;
const dayMs = 86_400_000;
const names = ['001-predictions', '002-cache', '003-access'];

export function databaseContract(setup: DatabaseSetup): void {
  describe(`the database ${setup.name}`, { skip: setup.skip ?? false }, () => {
    let database: Database;
    before(async () => {
      database = await setup.open();
    });
    after(() => database?.close());
    const idsOf = async (filter: Parameters<Database['predictions']['list']>[0], limit = 1000) =>
      (await database.predictions.list(filter, limit)).map(({ id }) => id);

    it('says what is pending, refuses to store without tables, and applies each migration once', async () => {
      const status = await database.predictions.status();
      assert.deepEqual([status.engine, status.applied, status.pending], [setup.engine, [], names]);
      assert.deepEqual([status.predictions, status.oldestMs], [0, undefined]);
      await assert.rejects(database.predictions.insertMany([prediction()]), /hotpath db migrate/);
      assert.deepEqual(await database.migrate(), names);
      assert.deepEqual(await database.migrate(), []);
      const migrated = await database.predictions.status();
      assert.deepEqual([migrated.applied, migrated.pending], [names, []]);
    });

    it('lets many migrate at once', async () => {
      const others = await Promise.all(Array.from({ length: 4 }, () => setup.open()));
      try {
        assert.deepEqual(await Promise.all(others.map((other) => other.migrate())), [[], [], [], []]);
      } finally {
        await Promise.all(others.map((other) => other.close()));
      }
    });

    it('gives back a prediction as it was, with tensors and without', async () => {
      const full = prediction({ status: 'OK', caller: 'user:zoë', rows: 3, durationMs: 12.345678901 });
      const bare = prediction({
        status: 'INVALID_INPUT',
        caller: '',
        cache: '',
        inputKey: new Uint8Array(0),
        inputs: undefined,
        outputs: undefined,
      });
      await database.predictions.insertMany([full, bare]);
      assert.deepEqual(await database.predictions.find(full.id), full);
      assert.deepEqual(await database.predictions.find(bare.id), bare);
      assert.equal(await database.predictions.find(idAt(Date.now())), undefined);
      assert.equal(await database.predictions.find(`${full.id}'; DROP TABLE predictions; --`), undefined);
    });

    it('keeps any texts and any bytes, but for NUL, which no text has', async () => {
      const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map((value) => value.replaceAll('\0', ''));
      const bytes = fc.uint8Array({ maxLength: 400 });
      const change = fc.record({
        caller: text,
        cache: text,
        inputs: bytes,
        outputs: fc.option(bytes, { nil: undefined }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 20 }), async (changes) => {
          const records = changes.map((each) => prediction({ model: 'any', ...each }));
          await database.predictions.insertMany(records);
          const found = await Promise.all(records.map(({ id }) => database.predictions.find(id)));
          assert.deepEqual(found, records);
        }),
        { numRuns: 30 },
      );
    });

    it('takes texts of any length and characters that are none, shortened and replaced', async () => {
      const record = prediction({ model: 'odd', caller: `${'字'.repeat(5000)}`, version: '1\0', status: 'X\ud800' });
      await database.predictions.insertMany([record]);
      const found = await database.predictions.find(record.id);
      assert.deepEqual([found?.caller, found?.version, found?.status], ['字'.repeat(200), '1', 'X\ufffd']);
    });

    it('leaves an id that is there already, also within one call, and stores the others', async () => {
      const [first, second, third] = [
        prediction({ model: 'twice' }),
        prediction({ model: 'twice' }),
        prediction({ model: 'twice' }),
      ];
      await database.predictions.insertMany([first]);
      await database.predictions.insertMany([second, { ...first, status: 'INTERNAL' }, third]);
      assert.deepEqual(await idsOf({ model: 'twice' }), [third.id, second.id, first.id]);
      assert.equal((await database.predictions.find(first.id))?.status, 'OK');
      await database.predictions.insertMany([]);
    });

    it('refuses an id that is no UUID, and stores nothing of that call', async () => {
      const good = prediction({ model: 'refused' });
      await assert.rejects(database.predictions.insertMany([good, prediction({ id: 'nonsense' })]), {
        code: 'INVALID_INPUT',
      });
      assert.equal(await database.predictions.find(good.id), undefined);
    });

    it('lists newest first, by every filter and all of them together, page by page', async () => {
      const start = Date.now() - 10 * minute;
      const records = Array.from({ length: 120 }, (_, index) =>
        prediction({
          createdMs: start + index * 1000,
          model: index % 2 === 0 ? 'list-a' : 'list-b',
          version: index % 3 === 0 ? '2' : '1',
          status: index % 5 === 0 ? 'OVERLOADED' : index % 7 === 0 ? 'INTERNAL' : 'OK',
        }),
      );
      await database.predictions.insertMany(records);
      const expected = (keep: (record: PredictionRecord) => boolean) =>
        records
          .filter(keep)
          .map(({ id }) => id)
          .reverse();
      const fromMs = start + 20_000;
      const toMs = start + 100_000;
      const inTime = ({ createdMs }: PredictionRecord) => createdMs >= fromMs && createdMs < toMs;
      const ofA = ({ model }: PredictionRecord) => model === 'list-a';
      assert.deepEqual(await idsOf({ model: 'list-a' }), expected(ofA));
      assert.deepEqual(
        await idsOf({ model: 'list-a', version: '2' }),
        expected((r) => ofA(r) && r.version === '2'),
      );
      assert.deepEqual(
        await idsOf({ model: 'list-a', status: 'OK' }),
        expected((r) => ofA(r) && r.status === 'OK'),
      );
      assert.deepEqual(
        await idsOf({ model: 'list-a', status: 'failed' }),
        expected((r) => ofA(r) && r.status !== 'OK'),
      );
      assert.deepEqual(
        await idsOf({ status: 'OVERLOADED', fromMs, toMs }),
        expected((r) => r.status === 'OVERLOADED' && inTime(r)),
      );
      assert.deepEqual(
        await idsOf({ model: 'list-b', fromMs, toMs }),
        expected((r) => !ofA(r) && inTime(r)),
      );
      const all = { model: 'list-a', version: '1', status: 'failed', fromMs, toMs };
      const wanted = expected((r) => ofA(r) && r.version === '1' && r.status !== 'OK' && inTime(r));
      assert.ok(wanted.length > 4);
      assert.deepEqual(await idsOf(all), wanted);
      const paged: string[] = [];
      for (let before: string | undefined; ; before = paged.at(-1)) {
        const page = await idsOf({ ...all, before }, 2);
        if (page.length === 0) break;
        paged.push(...page);
      }
      assert.deepEqual(paged, wanted);
      assert.deepEqual(await idsOf({ before: 'no id' }), []);
    });

    it('lists all but tensors', async () => {
      const record = prediction({ model: 'summary', rows: 9, durationMs: 1.5 });
      await database.predictions.insertMany([record]);
      const { inputKey: _key, inputs: _inputs, outputs: _outputs, ...summary } = record;
      assert.deepEqual(await database.predictions.list({ model: 'summary' }, 5), [summary]);
    });

    it('counts the most frequent inputs of a model and version since a time', async () => {
      const now = Date.now();
      const of = (key: number, changes: Partial<PredictionRecord> = {}) =>
        prediction({
          createdMs: now,
          model: 'frequent',
          inputKey: new Uint8Array(16).fill(key),
          inputs: new Uint8Array([key, key]),
          ...changes,
        });
      await database.predictions.insertMany([
        ...[1, 2, 2, 3, 3, 3].map((key) => of(key)),
        ...[1, 1, 1, 1].map((key) => of(key, { version: '2' })),
        ...[1, 1, 1, 1].map((key) => of(key, { status: 'INTERNAL' })),
        ...[1, 1, 1, 1].map((key) => of(key, { createdMs: now - minute })),
        ...[1, 1, 1, 1].map(() => of(0, { inputKey: new Uint8Array(0), inputs: undefined })),
      ]);
      const frequent = await database.predictions.frequentInputs('frequent', '1', now - 1000, 10);
      assert.deepEqual(frequent, [
        { inputs: new Uint8Array([3, 3]), count: 3 },
        { inputs: new Uint8Array([2, 2]), count: 2 },
        { inputs: new Uint8Array([1, 1]), count: 1 },
      ]);
      const two = await database.predictions.frequentInputs('frequent', '1', now - 2 * minute, 2);
      assert.deepEqual(
        two.map(({ count }) => count),
        [5, 3],
      );
      assert.deepEqual(await database.predictions.frequentInputs('frequent', '9', 0, 10), []);
    });

    it('drops what is older than a time, over days, and nothing else', async () => {
      const now = Date.now();
      const old = Array.from({ length: 2500 }, (_, index) =>
        prediction({ createdMs: now - 9 * dayMs + (index % 5) * dayMs, model: 'pruned' }),
      );
      const edge = [
        prediction({ createdMs: now - 4 * dayMs - 1, model: 'pruned' }),
        prediction({ createdMs: now - 4 * dayMs, model: 'pruned' }),
      ];
      await database.predictions.insertMany([...old, ...edge, prediction({ model: 'pruned' })]);
      assert.equal((await database.predictions.status()).oldestMs, now - 9 * dayMs);
      const cut = now - 4 * dayMs;
      const kept = old.filter(({ createdMs }) => createdMs >= cut).length + 2;
      assert.equal(await database.predictions.prune(cut), 2503 - kept);
      const left = await database.predictions.list({ model: 'pruned' }, 5000);
      assert.equal(left.length, kept);
      assert.ok(left.every(({ createdMs }) => createdMs >= cut));
      assert.equal((await database.predictions.status()).oldestMs, cut);
      assert.equal(await database.predictions.prune(cut), 0);
    });

    it('refuses no prediction for its time, however wrong the clock that made it', async () => {
      const times = [1000, Date.now() - 3000 * dayMs, Date.now() + 3000 * dayMs, 2 ** 48 - 1];
      const records = times.map((createdMs) => prediction({ createdMs, model: 'clocks' }));
      await database.predictions.insertMany(records);
      assert.deepEqual(await idsOf({ model: 'clocks' }), records.map(({ id }) => id).reverse());
      assert.equal(await database.predictions.prune(Date.now() - 1000 * dayMs), 2);
    });

    it('stores what many callers insert at once', async () => {
      const groups = Array.from({ length: 40 }, () => Array.from({ length: 25 }, () => prediction({ model: 'crowd' })));
      await Promise.all(groups.map((records) => database.predictions.insertMany(records)));
      assert.deepEqual(new Set(await idsOf({ model: 'crowd' })), new Set(groups.flat().map(({ id }) => id)));
    });

    it('reports how much there is', async () => {
      const before = await database.predictions.status();
      await database.predictions.insertMany([prediction(), prediction()]);
      const status = await database.predictions.status();
      assert.equal(status.predictions, before.predictions + 2);
      assert.ok(status.sizeBytes > 10_000, `${status.sizeBytes} bytes`);
    });

    accessContract(() => database);

    it('ends a read that takes too long, while writes go on', async () => {
      const endless = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c';
      const reading = assert.rejects(database.read(endless, [], 400), { code: 'DEADLINE_EXCEEDED' });
      await database.predictions.insertMany([prediction({ model: 'meanwhile' })]);
      assert.equal((await idsOf({ model: 'meanwhile' })).length, 1);
      await reading;
      assert.deepEqual(await database.read('SELECT 1 AS one', [], 5000), [{ one: 1 }]);
    });

    it('shows no credentials in its status', () => {
      const status = database.status();
      assert.equal(status.kind, setup.engine);
      assert.doesNotMatch(JSON.stringify(status), /open-sesame|hotpath:/);
      assert.equal(status.inUse, 0);
      assert.ok(status.acquired > 0);
    });

    it('finishes what was begun when it is closed, then rejects, and may be closed twice', async () => {
      const closing = await setup.open();
      const records = Array.from({ length: 60 }, () => prediction({ model: 'closing' }));
      const writes = records.map((record) => closing.predictions.insertMany([record]));
      await Promise.all([closing.close(), closing.close()]);
      await Promise.all(writes);
      await assert.rejects(closing.predictions.insertMany([prediction()]), { code: 'SHUTTING_DOWN' });
      await assert.rejects(closing.predictions.list({}, 1), { code: 'SHUTTING_DOWN' });
      await assert.rejects(closing.read('SELECT 1', [], 1000), { code: 'SHUTTING_DOWN' });
      assert.equal((await idsOf({ model: 'closing' })).length, 60);
    });
  });
}
