/**
 * Predictions in PostgreSQL: COPY for inserts, partitions by day for retention; the queries are those of adapters/sql.
 *
 * COPY is faster than INSERT but cannot leave out ids that are there already, which only a repeated call brings: then the same records
 * go through INSERT ... ON CONFLICT DO NOTHING.
 */
import type { PoolClient } from 'pg';
import type { PredictionFilter, PredictionRecord, PredictionStore, StoreStatus } from '../../ports/prediction-store.ts';
import { migrationTable, pendingOf, postgresMigrations } from '../sql/migrations.ts';
import { packRecords, unpackRows } from '../sql/pack-records.ts';
import { findPrediction, frequentInputs, listPredictions } from '../sql/prediction-queries.ts';
import { predictionColumns, type SqlEngine } from '../sql/tables.ts';
import { bytesToUuid, firstIdOf, timeOfId } from '../sql/uuid.ts';
import { type ConnectionPool, inTransaction } from './connection-pool.ts';
import { CopyIn } from './copy-in.ts';
import { Partitions, schemaLock } from './partitions.ts';
import { isUniqueViolation } from './postgres-errors.ts';

const columns = predictionColumns.join(', ');
const copySql = `COPY predictions (${columns}) FROM STDIN (FORMAT binary)`;
const columnTypes = [
  'uuid',
  'text',
  'text',
  'text',
  'text',
  'integer',
  'double precision',
  'text',
  'bytea',
  'bytea',
  'bytea',
];
const insertSql = `INSERT INTO predictions (${columns})
  SELECT * FROM unnest(${columnTypes.map((type, index) => `$${index + 1}::${type}[]`).join(', ')}) ON CONFLICT DO NOTHING`;
const pruneBatch = 5000;
const pruneSql = `DELETE FROM predictions WHERE id IN (SELECT id FROM predictions WHERE id < $1 ORDER BY id LIMIT ${pruneBatch})`;
/** Up to here rows are counted; beyond it the server's estimate is good and counting is slow. */
const countedRows = 100_000;

function asLists(packed: Uint8Array): unknown[][] {
  const lists: unknown[][] = columnTypes.map(() => []);
  for (const row of unpackRows(packed)) {
    for (const [column, value] of row.entries()) {
      lists[column]!.push(column === 0 ? bytesToUuid(value as Uint8Array) : value);
    }
  }
  return lists;
}

export class PostgresPredictions implements PredictionStore {
  readonly #engine: SqlEngine;
  readonly #pool: ConnectionPool;
  readonly #partitions: Partitions;

  constructor(engine: SqlEngine, pool: ConnectionPool) {
    this.#engine = engine;
    this.#pool = pool;
    this.#partitions = new Partitions(pool, engine.nowMs);
  }

  async insertMany(records: readonly PredictionRecord[]): Promise<void> {
    if (records.length === 0) return;
    const packed = packRecords(records);
    const ids = records.map(({ id }) => id);
    // On one connection, so that a close() waits for all of it.
    await this.#pool.use(async (client) => {
      await this.#partitions.makeFor(client, ids);
      try {
        await client.query(new CopyIn(copySql, packed)).done;
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        await client.query(insertSql, asLists(packed));
      }
    });
  }

  find(id: string) {
    return findPrediction(this.#engine, id);
  }

  list(filter: PredictionFilter, limit: number) {
    return listPredictions(this.#engine, filter, limit);
  }

  frequentInputs(model: string, version: string, fromMs: number, limit: number) {
    return frequentInputs(this.#engine, model, version, fromMs, limit);
  }

  async prune(beforeMs: number): Promise<number> {
    let total = await this.#partitions.dropBefore(beforeMs);
    const before = firstIdOf(beforeMs);
    for (;;) {
      const deleted = await this.#engine.change(pruneSql, [before]);
      total += deleted;
      if (deleted < pruneBatch) return total;
    }
  }

  async migrate(): Promise<readonly string[]> {
    return await this.#pool.use(async (client) => {
      const names = await inTransaction(client, 'BEGIN', () => this.#applyPending(client));
      await this.#partitions.makeAhead(client);
      return names;
    });
  }

  async status(): Promise<StoreStatus> {
    const applied = await this.#applied();
    const pending = pendingOf(postgresMigrations, applied).map(({ name }) => name);
    const empty = { engine: 'postgres', applied, pending, predictions: 0, sizeBytes: 0, oldestMs: undefined } as const;
    if (!applied.includes(postgresMigrations[0]!.name)) return empty;
    const [oldest] = await this.#engine.select<{ id: string }>('SELECT id FROM predictions ORDER BY id LIMIT 1', []);
    const sizeSql = `SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint AS size FROM pg_class
      WHERE oid IN (SELECT relid FROM pg_partition_tree('predictions'))
        OR oid IN (to_regclass('cache_entries'), to_regclass('api_keys'), to_regclass('audit_log'))`;
    const [size] = await this.#engine.select<{ size: number }>(sizeSql, []);
    const oldestMs = oldest === undefined ? undefined : timeOfId(oldest.id);
    return { ...empty, predictions: await this.#count(), sizeBytes: size!.size, oldestMs };
  }

  async #applyPending(client: PoolClient): Promise<readonly string[]> {
    await client.query(`SELECT pg_advisory_xact_lock(${schemaLock})`);
    await client.query(migrationTable);
    const { rows } = await client.query<{ name: string }>('SELECT name FROM hotpath_migrations');
    const pending = pendingOf(
      postgresMigrations,
      rows.map(({ name }) => name),
    );
    for (const { name, statements } of pending) {
      for (const statement of statements) await client.query(statement);
      const note = 'INSERT INTO hotpath_migrations (name, applied_ms) VALUES ($1, $2)';
      await client.query(note, [name, this.#engine.nowMs()]);
    }
    return pending.map(({ name }) => name);
  }

  async #applied(): Promise<readonly string[]> {
    const { select } = this.#engine;
    const [table] = await select<{ found: boolean }>(
      `SELECT to_regclass('hotpath_migrations') IS NOT NULL AS found`,
      [],
    );
    if (!table!.found) return [];
    return (await select<{ name: string }>('SELECT name FROM hotpath_migrations ORDER BY name', [])).map(
      ({ name }) => name,
    );
  }

  async #count(): Promise<number> {
    const countSql = `SELECT count(*) AS count FROM (SELECT FROM predictions LIMIT ${countedRows}) AS counted`;
    const [counted] = await this.#engine.select<{ count: number }>(countSql, []);
    if (counted!.count < countedRows) return counted!.count;
    const estimateSql = `SELECT sum(greatest(reltuples, 0))::bigint AS count FROM pg_class
      WHERE oid IN (SELECT relid FROM pg_partition_tree('predictions') WHERE isleaf)`;
    const [estimated] = await this.#engine.select<{ count: number }>(estimateSql, []);
    return Math.max(estimated!.count, countedRows);
  }
}
