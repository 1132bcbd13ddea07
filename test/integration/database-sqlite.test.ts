/** What only the embedded database has: threads that may die, a process for operators' queries, other processes on the same file. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { openDatabase, type SqliteOptions } from '../../src/adapters/sqlite/sqlite-database.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { openForReading } from '../../src/server-database.ts';
import { prediction, silentLogger } from './support/predictions.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-sqlite-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = () => join(folder, `${files++}.db`);

async function open(file: string, changes: Partial<SqliteOptions> = {}) {
  const database = await openDatabase({ url: `sqlite:${file}`, clock: systemClock, logger: silentLogger, ...changes });
  await database.migrate();
  return database;
}

describe('the embedded database', () => {
  it('rejects the calls of a thread that died, goes on with another, and pauses when that one dies too', async () => {
    const file = newFile();
    const writers: Worker[] = [];
    let skippedMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + skippedMs };
    const onWorkerStart = (worker: Worker, mode: string) => void (mode === 'write' && writers.push(worker));
    const database = await open(file, { clock, onWorkerStart });
    const lost = prediction();
    /** Ends the thread while it waits for the lock in the middle of an insert. */
    const loseInsert = async (): Promise<void> => {
      const other = new DatabaseSync(file);
      other.exec('BEGIN IMMEDIATE');
      const insert = assert.rejects(database.predictions.insertMany([lost]), {
        code: 'INTERNAL',
        message: /thread of the database ended/,
      });
      const ended = writers.at(-1)!.terminate();
      other.exec('COMMIT');
      other.close();
      await Promise.all([insert, ended]);
    };
    await loseInsert();
    await database.predictions.insertMany([lost]);
    assert.deepEqual(await database.predictions.find(lost.id), lost);
    assert.deepEqual([writers.length, database.status().recycled], [2, 1]);

    await loseInsert();
    await loseInsert();
    await assert.rejects(database.predictions.insertMany([lost]), { code: 'OVERLOADED', message: /failed twice/ });
    assert.equal((await database.predictions.list({}, 10)).length, 1);
    skippedMs = 10_000;
    const next = prediction();
    await database.predictions.insertMany([next]);
    assert.deepEqual(await database.predictions.find(next.id), next);
    await database.close();
  });

  it('stores what one call brings or nothing of it, and the calls beside it', async () => {
    const database = await open(newFile());
    const key = {
      id: 'k',
      hash: new Uint8Array(32),
      name: '',
      role: 'admin',
      models: undefined,
      limits: {},
      createdMs: 1,
      expiresMs: undefined,
      revokedMs: undefined,
    } as const;
    const record = prediction();
    // All three go into one transaction of the thread.
    const results = await Promise.allSettled([
      database.keys.insert(key),
      database.keys.insert(key),
      database.predictions.insertMany([record]),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual([(await database.keys.list()).length, await database.predictions.find(record.id)], [1, record]);
    await database.close();
  });

  it('waits for another process that writes', async () => {
    const file = newFile();
    const database = await open(file);
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    const record = prediction();
    const insert = database.predictions.insertMany([record]);
    assert.equal(await database.predictions.find(record.id), undefined);
    other.exec('COMMIT');
    other.close();
    await insert;
    assert.deepEqual(await database.predictions.find(record.id), record);
    await database.close();
  });

  it('folds its log into the file at the end, and leaves nothing beside it', async () => {
    const file = newFile();
    const database = await open(file);
    await database.predictions.insertMany([prediction()]);
    await database.close();
    const name = file.slice(folder.length + 1);
    assert.deepEqual(
      readdirSync(folder).filter((each) => each.startsWith(name)),
      [name],
    );
  });

  it('forgets a database in memory when it is closed', async () => {
    const url = 'sqlite::memory:';
    const open = () => openDatabase({ url, clock: systemClock, logger: silentLogger });
    const [first, second] = await Promise.all([open(), open()]);
    assert.equal((await first.migrate()).length, 3);
    assert.equal((await second.predictions.status()).applied.length, 0);
    await Promise.all([first.close(), second.close()]);
  });

  for (const sql of [
    "ATTACH DATABASE '/etc/passwd' AS x",
    'PRAGMA journal_mode = DELETE',
    'PRAGMA query_only = 0',
    'VACUUM',
    '/* */ BEGIN',
  ]) {
    it(`refuses to read by "${sql}"`, async () => {
      const database = await open(newFile());
      await assert.rejects(database.read(sql, [], 5000), { code: 'INVALID_INPUT' });
      await database.close();
    });
  }

  it('serves the reads that waited behind one that was ended, those whose time is not over', async () => {
    const database = await open(newFile());
    const endless = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c';
    const [ended, late, served] = await Promise.allSettled([
      database.read(endless, [], 600),
      database.read('SELECT 1 AS one', [], 300),
      database.read('SELECT 2 AS two', [], 20_000),
    ]);
    assert.deepEqual([ended!.status, late!.status], ['rejected', 'rejected']);
    assert.deepEqual(served, { status: 'fulfilled', value: [{ two: 2 }] });
    await database.close();
  });

  it('cannot be opened where no file can be', async () => {
    await assert.rejects(open(folder), { code: 'INTERNAL', message: 'The database file cannot be opened.' });
    await assert.rejects(open('/dev/null/x.db'), {
      code: 'INVALID_INPUT',
      message: /folder of the database cannot be made/,
    });
  });
});

describe('a database of somebody else', () => {
  it('is read without being changed, and tells what is used of it', async () => {
    const file = newFile();
    const theirs = new DatabaseSync(file);
    theirs.exec(
      "CREATE TABLE users (id TEXT PRIMARY KEY, age REAL, photo BLOB); INSERT INTO users VALUES ('u1', 41.5, x'0102'), ('u2', NULL, NULL)",
    );
    const before = readFileSync(file);
    const database = await openForReading({ url: `sqlite:${file}`, clock: systemClock, logger: silentLogger });
    const rows = await database.read(
      `SELECT * FROM users WHERE id IN (${database.placeholder(1)}, ${database.placeholder(2)}) ORDER BY id`,
      ['u1', 'u2'],
      10_000,
    );
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [
        { id: 'u1', age: 41.5, photo: new Uint8Array([1, 2]) },
        { id: 'u2', age: null, photo: null },
      ],
    );
    await assert.rejects(database.read('DELETE FROM users', [], 10_000), { code: 'INVALID_INPUT' });
    const status = database.status();
    assert.deepEqual([status.size, status.inUse, status.acquired, status.errors], [1, 0, 3, 1]);
    await database.close();
    assert.deepEqual(readFileSync(file), before);
    assert.deepEqual({ ...theirs.prepare('PRAGMA journal_mode').get() }, { journal_mode: 'delete' });
    theirs.close();
  });

  it('is not made where there is none', async () => {
    const file = newFile();
    const opening = openForReading({ url: `sqlite:${file}`, clock: systemClock, logger: silentLogger });
    await assert.rejects(opening, { code: 'INVALID_INPUT', message: 'The SQLite file does not exist.' });
    assert.equal(existsSync(file), false);
  });
});
