/**
 * The thread that holds a SQLite connection; node:sqlite blocks, so it never runs where HTTP is answered. Started by sql-thread.ts. A
 * group of jobs is one transaction with one flush to the disk (group commit); a job that fails takes back only its own changes.
 *
 * synchronous=FULL: NORMAL keeps what was committed when the process is killed, but not when the power fails. It costs a flush per
 * group: 2,800 commits/s instead of 50,000 one by one, but in groups of 500 rows 150,000 rows/s instead of 165,000. So "stored" may
 * mean stored.
 */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { JobRunner, RefusedStatement } from './run-job.ts';
import type {
  JobResult,
  ThreadFailure,
  ThreadGreeting,
  ThreadJob,
  ThreadOptions,
  ThreadRequest,
} from './thread-messages.ts';

const busyTimeoutMs = 5000;
const port = parentPort!;
const { file, mode } = workerData as ThreadOptions;

function toFailure(error: unknown): ThreadFailure {
  const { message, errcode } = error as { message?: string; errcode?: number };
  return { message: message ?? String(error), code: errcode, refused: error instanceof RefusedStatement };
}

function open(): DatabaseSync {
  const database = new DatabaseSync(file, { readOnly: mode === 'read' });
  // First of all: even turning to WAL needs a lock.
  database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  if (mode === 'read') {
    database.exec('PRAGMA query_only = 1');
  } else {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864');
  }
  database.exec('PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY');
  return database;
}

function runRead(runner: JobRunner, jobs: readonly ThreadJob[]): JobResult[] {
  return jobs.map((job) => {
    try {
      return { ok: true, value: runner.run(job) };
    } catch (error) {
      return { ok: false, error: toFailure(error) };
    }
  });
}

function runInSavepoint(database: DatabaseSync, runner: JobRunner, job: ThreadJob): JobResult {
  database.exec('SAVEPOINT job');
  try {
    const value = runner.run(job);
    database.exec('RELEASE job');
    return { ok: true, value };
  } catch (error) {
    // A full disk or a failing one ends the whole transaction: then there is no savepoint, and nobody was served.
    if (!database.isTransaction) throw error;
    database.exec('ROLLBACK TO job; RELEASE job');
    return { ok: false, error: toFailure(error) };
  }
}

/** The level the connection has now. */
let isDurable = true;

/** A group of changes to the cache alone need not wait for the disk; the next durable group flushes them as well, in order. */
function setDurability(database: DatabaseSync, jobs: readonly ThreadJob[]): void {
  const durable = jobs.some((job) => job.kind !== 'change' || !job.passing);
  if (durable === isDurable) return;
  database.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
  isDurable = durable;
}

function runWrite(database: DatabaseSync, runner: JobRunner, jobs: readonly ThreadJob[]): JobResult[] {
  try {
    setDurability(database, jobs);
    // IMMEDIATE: a transaction that turns from reading to writing cannot wait for another writer.
    database.exec('BEGIN IMMEDIATE');
    const results = jobs.map((job) => runInSavepoint(database, runner, job));
    database.exec('COMMIT');
    return results;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    return jobs.map(() => ({ ok: false, error: toFailure(error) }));
  }
}

function greet(greeting: ThreadGreeting): void {
  port.postMessage(greeting);
}

function serve(database: DatabaseSync): void {
  const runner = new JobRunner(database);
  port.on('message', (request: ThreadRequest) => {
    if (request === null) {
      database.close();
      port.close();
      return;
    }
    port.postMessage(mode === 'read' ? runRead(runner, request) : runWrite(database, runner, request));
  });
  greet({ ready: true });
}

try {
  serve(open());
} catch (error) {
  greet({ ready: false, error: toFailure(error) });
}
