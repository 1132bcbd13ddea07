/**
 * The tables as the query layer sees them, and what an engine must do for the stores in this folder. SQLite and PostgreSQL differ in
 * how an id is kept (16 bytes, uuid) and in how a statement is run; the queries are the same.
 */
import type { CompiledQuery, Generated, Kysely } from 'kysely';
import type { SqlValue } from '../../ports/database.ts';

/** Bytes in SQLite, text in PostgreSQL. */
export type SqlId = string | Uint8Array;

export interface PredictionTable {
  readonly id: SqlId;
  readonly model: string;
  readonly version: string;
  readonly status: string;
  readonly caller: string;
  readonly row_count: number;
  readonly duration_ms: number;
  readonly cache: string;
  readonly input_key: Uint8Array | null;
  readonly inputs: Uint8Array | null;
  readonly outputs: Uint8Array | null;
}

/** What a list of predictions shows. */
export const summaryColumns = [
  'id',
  'model',
  'version',
  'status',
  'caller',
  'row_count',
  'duration_ms',
  'cache',
] as const satisfies readonly (keyof PredictionTable)[];

/** In the order in which rows are packed; see pack-records.ts. */
export const predictionColumns = [
  ...summaryColumns,
  'input_key',
  'inputs',
  'outputs',
] as const satisfies readonly (keyof PredictionTable)[];

export interface CacheTable {
  readonly key: string;
  readonly value: Uint8Array;
  readonly expires_ms: number;
}

export interface KeyTable {
  readonly id: string;
  readonly hash: Uint8Array;
  readonly name: string;
  readonly role: string;
  /** JSON; null: all. */
  readonly models: string | null;
  readonly limits: string;
  readonly created_ms: number;
  readonly expires_ms: number | null;
  readonly revoked_ms: number | null;
}

export interface AuditTable {
  readonly id: Generated<number>;
  readonly created_ms: number;
  readonly caller: string;
  readonly action: string;
  readonly target: string;
  readonly outcome: string;
}

export interface Tables {
  predictions: PredictionTable;
  cache_entries: CacheTable;
  api_keys: KeyTable;
  audit_log: AuditTable;
}

/** PostgreSQL takes a list as one value. */
export type StatementValue = SqlValue | readonly string[];

export interface SqlEngine {
  readonly kind: 'sqlite' | 'postgres';
  /** Writes queries, never runs them. */
  readonly builder: Kysely<Tables>;
  toSqlId(id: string): SqlId;
  fromSqlId(id: SqlId): string;
  /** Unix time in milliseconds. */
  nowMs(): number;
  select<Row>(sql: string, values: readonly StatementValue[]): Promise<readonly Row[]>;
  /**
   * Resolves when the change is durable: how many rows it touched. A `passing` one, of the cache, is in the database then and may be gone
   * after the power fails, which spares a wait for the disk.
   */
  change(sql: string, values: readonly StatementValue[], passing?: boolean): Promise<number>;
}

export function selectRows<Row>(engine: SqlEngine, query: CompiledQuery<Row>): Promise<readonly Row[]> {
  return engine.select<Row>(query.sql, query.parameters as readonly SqlValue[]);
}

export function changeRows(engine: SqlEngine, query: CompiledQuery, passing = false): Promise<number> {
  return engine.change(query.sql, query.parameters as readonly SqlValue[], passing);
}
