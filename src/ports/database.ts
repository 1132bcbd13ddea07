/** One database behind one URL, and the stores that live in it. Opened by the composition root when something needs it. */
import type { CacheStore } from './cache-store.ts';
import type { AuditLog, KeyStore } from './key-store.ts';
import type { Pool } from './pool-status.ts';
import type { PredictionStore } from './prediction-store.ts';

export type SqlValue = string | number | bigint | null | Uint8Array;

export interface Database extends Pool {
  readonly predictions: PredictionStore;
  readonly cache: CacheStore;
  readonly keys: KeyStore;
  readonly audit: AuditLog;
  /** Applies what is pending, one process at a time; returns the names of what it applied. */
  migrate(): Promise<readonly string[]>;
  /** For SELECTs of operators (features): one statement, read only. Rejects after `timeoutMs`. */
  read(
    sql: string,
    values: readonly SqlValue[],
    timeoutMs: number,
  ): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** How the `index`-th value, from 1, is written in SQL: `?1` or `$1`. */
  placeholder(index: number): string;
}
