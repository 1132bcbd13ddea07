/** PostgreSQL by URL: one pool of connections, and the stores on it. Opened by the composition root; close() waits for what was begun. */
import type { Database, SqlValue } from '../../ports/database.ts';
import { SqlAuditLog } from '../sql/audit-log.ts';
import { SqlCacheStore } from '../sql/cache-store.ts';
import type { DatabaseOptions } from '../sql/database-options.ts';
import { SqlKeyStore } from '../sql/key-store.ts';
import { ConnectionPool, inTransaction } from './connection-pool.ts';
import { driverUrlOf, placeOf } from './database-url.ts';
import { postgresEngine } from './postgres-engine.ts';
import { PostgresPredictions } from './postgres-predictions.ts';

/** What the way to the server may take beyond the query's own limit before the connection is given up. */
const graceMs = 1000;

class PostgresDatabase implements Database {
  readonly predictions: PostgresPredictions;
  readonly cache: SqlCacheStore;
  readonly keys: SqlKeyStore;
  readonly audit: SqlAuditLog;
  readonly #pool: ConnectionPool;
  #closing: Promise<void> | undefined;

  constructor(pool: ConnectionPool, nowMs: () => number) {
    this.#pool = pool;
    const engine = postgresEngine(pool, nowMs);
    this.predictions = new PostgresPredictions(engine, pool);
    this.cache = new SqlCacheStore(engine);
    this.keys = new SqlKeyStore(engine);
    this.audit = new SqlAuditLog(engine);
  }

  migrate() {
    return this.predictions.migrate();
  }

  /** The extended protocol takes one statement, the transaction lets it only read, and the server itself keeps the time. */
  read(sql: string, values: readonly SqlValue[], timeoutMs: number) {
    const begin = `BEGIN READ ONLY; SET LOCAL statement_timeout = ${Math.max(1, Math.ceil(timeoutMs))}`;
    const query = { text: sql, values: [...values], queryMode: 'extended' };
    return this.#pool.use(
      (client) => inTransaction(client, begin, async () => (await client.query<Record<string, unknown>>(query)).rows),
      timeoutMs + graceMs,
    );
  }

  placeholder(index: number): string {
    return `$${index}`;
  }

  status() {
    return this.#pool.status();
  }

  close(): Promise<void> {
    this.#closing ??= this.cache.close().then(() => this.#pool.close());
    return this.#closing;
  }
}

/** @throws INVALID_INPUT for a URL that is none, OVERLOADED when the server cannot be reached. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const pool = new ConnectionPool({
    url: driverUrlOf(options.url),
    place: placeOf(options.url),
    size: options.poolSize ?? 8,
    overflow: options.poolOverflow ?? 4,
    waitTimeoutMs: options.poolTimeoutMs ?? 2000,
    recycleMs: options.recycleMs ?? 1_800_000,
    statementTimeoutMs: options.statementTimeoutMs ?? 30_000,
    clock: options.clock,
    random: options.random ?? Math.random,
    logger: options.logger,
  });
  try {
    await pool.use((client) => client.query('SELECT 1'));
  } catch (error) {
    await pool.close();
    throw error;
  }
  return new PostgresDatabase(pool, options.nowMs ?? Date.now);
}
