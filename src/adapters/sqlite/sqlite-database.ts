/**
 * The embedded database: one file, one thread that writes and one that reads, and a process for SELECTs of operators when there are
 * any. Opened by the composition root. Several processes may open the same file; their writers take turns.
 */
import type { Worker } from 'node:worker_threads';
import type { Database, SqlValue } from '../../ports/database.ts';
import type { PoolStatus } from '../../ports/pool-status.ts';
import { SqlAuditLog } from '../sql/audit-log.ts';
import { SqlCacheStore } from '../sql/cache-store.ts';
import type { DatabaseOptions } from '../sql/database-options.ts';
import { SqlKeyStore } from '../sql/key-store.ts';
import { sqliteMigrations } from '../sql/migrations.ts';
import { makeFolder, type Place, placeOf } from './database-file.ts';
import { QueryProcess } from './query-process.ts';
import { SqlThread } from './sql-thread.ts';
import { sqliteEngine } from './sqlite-engine.ts';
import { SqlitePredictions } from './sqlite-predictions.ts';

export interface SqliteOptions extends DatabaseOptions {
  /** Sees every thread started; lets tests end them from outside. */
  readonly onWorkerStart?: (worker: Worker, mode: 'write' | 'read') => void;
}

class SqliteDatabase implements Database {
  readonly predictions: SqlitePredictions;
  readonly cache: SqlCacheStore;
  readonly keys: SqlKeyStore;
  readonly audit: SqlAuditLog;
  readonly #place: Place;
  readonly #writer: SqlThread;
  readonly #reader: SqlThread;
  readonly #queries: QueryProcess;
  readonly #nowMs: () => number;
  #closing: Promise<void> | undefined;

  constructor(place: Place, writer: SqlThread, reader: SqlThread, options: SqliteOptions) {
    this.#place = place;
    this.#writer = writer;
    this.#reader = reader;
    this.#queries = new QueryProcess(place.file, options.clock);
    this.#nowMs = options.nowMs ?? Date.now;
    const engine = sqliteEngine(writer, reader, this.#nowMs);
    this.predictions = new SqlitePredictions(engine, writer);
    this.cache = new SqlCacheStore(engine);
    this.keys = new SqlKeyStore(engine);
    this.audit = new SqlAuditLog(engine);
  }

  async migrate(): Promise<readonly string[]> {
    const job = { kind: 'migrate', migrations: sqliteMigrations, nowMs: this.#nowMs() } as const;
    return (await this.#writer.submit(job)) as readonly string[];
  }

  read(sql: string, values: readonly SqlValue[], timeoutMs: number) {
    return this.#queries.read(sql, values, timeoutMs);
  }

  placeholder(index: number): string {
    return `?${index}`;
  }

  status(): PoolStatus {
    const threads = [this.#writer, this.#reader];
    const sum = (value: (thread: SqlThread) => number) => threads.reduce((total, thread) => total + value(thread), 0);
    const inUse = sum(({ isBusy }) => (isBusy ? 1 : 0));
    return {
      kind: 'sqlite',
      name: 'database sqlite',
      size: threads.length,
      maxSize: threads.length,
      inUse,
      idle: threads.length - inUse,
      waiting: sum(({ waiting }) => waiting),
      acquired: sum(({ calls }) => calls),
      waitedMs: sum(({ waitedMs }) => waitedMs),
      timeouts: 0,
      recycled: sum(({ deaths }) => deaths),
      errors: sum(({ errors }) => errors),
      lastError: this.#writer.lastError ?? this.#reader.lastError,
      breaker: undefined,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.cache.close();
    // The writer last: closing the last connection folds the write-ahead log into the file.
    await Promise.all([this.#queries.close(), this.#reader.close()]);
    await this.#writer.close();
    this.#place.discard();
  }
}

/** @throws INVALID_INPUT for a URL without a file, INTERNAL when the file cannot be opened as a database. */
export async function openDatabase(options: SqliteOptions): Promise<Database> {
  const place = placeOf(options.url);
  makeFolder(place.file);
  const thread = (mode: 'write' | 'read') =>
    new SqlThread({
      file: place.file,
      mode,
      clock: options.clock,
      onDeath: (err) =>
        options.logger.error({ err, mode }, 'a thread of the database died; the next call starts another'),
      onWorkerStart: (worker) => options.onWorkerStart?.(worker, mode),
    });
  const writer = thread('write');
  const reader = thread('read');
  try {
    // In this order: the first makes the file.
    await writer.open();
    await reader.open();
  } catch (error) {
    await writer.close();
    place.discard();
    throw error;
  }
  return new SqliteDatabase(place, writer, reader, options);
}
