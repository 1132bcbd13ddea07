/**
 * What travels between sql-thread.ts and the thread that holds a SQLite connection: jobs in groups, one reply per group. Data only,
 * so that both sides agree.
 */
import type { SqlValue } from '../../ports/database.ts';
import type { Migration } from '../sql/migrations.ts';

export type ThreadJob =
  | { readonly kind: 'select'; readonly sql: string; readonly values: readonly SqlValue[] }
  /** A SELECT of an operator: checked to be one statement that only reads. */
  | { readonly kind: 'read'; readonly sql: string; readonly values: readonly SqlValue[] }
  | { readonly kind: 'change'; readonly sql: string; readonly values: readonly SqlValue[]; readonly passing: boolean }
  /** Predictions, as pack-records.ts packs them. */
  | { readonly kind: 'insert'; readonly sql: string; readonly packed: Uint8Array }
  | { readonly kind: 'migrate'; readonly migrations: readonly Migration[]; readonly nowMs: number };

export interface ThreadFailure {
  /** SQLite's own text. */
  readonly message: string;
  /** SQLite's result code; undefined when it was not SQLite that failed. */
  readonly code: number | undefined;
  /** The statement was not run: an operator's query that is not one SELECT. */
  readonly refused?: boolean;
}

export type JobResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: ThreadFailure };

export interface ThreadOptions {
  readonly file: string;
  /** A `write` thread runs each group of jobs as one transaction; a `read` thread cannot change anything. */
  readonly mode: 'write' | 'read';
}

export type ThreadGreeting = { readonly ready: true } | { readonly ready: false; readonly error: ThreadFailure };

/** To the thread: a group, or null to close the connection and end. */
export type ThreadRequest = readonly ThreadJob[] | null;
