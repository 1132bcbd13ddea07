/** Predictions in SQLite: bulk inserts and retention in the way of this engine; the queries are those of adapters/sql. */
import type { PredictionFilter, PredictionRecord, PredictionStore, StoreStatus } from '../../ports/prediction-store.ts';
import { pendingOf, sqliteMigrations } from '../sql/migrations.ts';
import { packRecords } from '../sql/pack-records.ts';
import { findPrediction, frequentInputs, listPredictions } from '../sql/prediction-queries.ts';
import { predictionColumns, type SqlEngine } from '../sql/tables.ts';
import { bytesToUuid, firstIdOf, timeOfId, uuidToBytes } from '../sql/uuid.ts';
import type { SqlThread } from './sql-thread.ts';

const insertSql = `INSERT INTO predictions (${predictionColumns.join(', ')})
  VALUES (${predictionColumns.map(() => '?').join(', ')}) ON CONFLICT DO NOTHING`;
/** Rows per transaction of retention: some 10 ms, between which inserts get their turn. */
const pruneBatch = 1000;
const pruneSql = `DELETE FROM predictions WHERE id IN (SELECT id FROM predictions WHERE id < ?1 ORDER BY id LIMIT ${pruneBatch})`;

export class SqlitePredictions implements PredictionStore {
  readonly #engine: SqlEngine;
  readonly #writer: SqlThread;

  constructor(engine: SqlEngine, writer: SqlThread) {
    this.#engine = engine;
    this.#writer = writer;
  }

  async insertMany(records: readonly PredictionRecord[]): Promise<void> {
    if (records.length === 0) return;
    await this.#writer.submit({ kind: 'insert', sql: insertSql, packed: packRecords(records) });
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
    const before = uuidToBytes(firstIdOf(beforeMs));
    let total = 0;
    for (;;) {
      const deleted = await this.#engine.change(pruneSql, [before]);
      total += deleted;
      if (deleted < pruneBatch) return total;
    }
  }

  async status(): Promise<StoreStatus> {
    const one = async <Row>(sql: string) => (await this.#engine.select<Row>(sql, []))[0];
    const size = await one<{ size: number }>(
      'SELECT page_count * page_size AS size FROM pragma_page_count, pragma_page_size',
    );
    const applied = await this.#applied();
    const pending = pendingOf(sqliteMigrations, applied).map(({ name }) => name);
    const hasTable = applied.includes(sqliteMigrations[0]!.name);
    const count = hasTable ? await one<{ count: number }>('SELECT count(*) AS count FROM predictions') : undefined;
    const oldest = hasTable
      ? await one<{ id: Uint8Array }>('SELECT id FROM predictions ORDER BY id LIMIT 1')
      : undefined;
    return {
      engine: 'sqlite',
      applied,
      pending,
      predictions: count?.count ?? 0,
      sizeBytes: size!.size,
      oldestMs: oldest === undefined ? undefined : timeOfId(bytesToUuid(oldest.id)),
    };
  }

  async #applied(): Promise<readonly string[]> {
    const { select } = this.#engine;
    const tables = await select(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'hotpath_migrations'`,
      [],
    );
    if (tables.length === 0) return [];
    const rows = await select<{ name: string }>('SELECT name FROM hotpath_migrations ORDER BY name', []);
    return rows.map(({ name }) => name);
  }
}
