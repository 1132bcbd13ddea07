/**
 * The cache tier that lives in the database, on both engines. Called by core/cache, which bounds every wait. Expired entries are
 * never given, and are deleted now and then in small batches, so that no writer waits long for that.
 */
import { HotpathError } from '../../core/errors.ts';
import type { CacheEntry, CacheStore, StoredValue } from '../../ports/cache-store.ts';
import { type CacheTable, changeRows, type SqlEngine } from './tables.ts';

/** Writes between two looks for expired entries, and how many of them are deleted in one statement. */
const pruneEvery = 1000;
const pruneBatch = 500;
const rowsPerStatement = 100;

const readSql = {
  sqlite:
    'SELECT key, value, expires_ms FROM cache_entries WHERE key IN (SELECT value FROM json_each(?1)) AND expires_ms > ?2',
  postgres: 'SELECT key, value, expires_ms FROM cache_entries WHERE key = ANY($1::text[]) AND expires_ms > $2',
};

const deletePart = (condition: string) =>
  `DELETE FROM cache_entries WHERE key IN (SELECT key FROM cache_entries WHERE ${condition} LIMIT ${pruneBatch})`;
const pruneSql = { sqlite: deletePart('expires_ms <= ?1'), postgres: deletePart('expires_ms <= $1') };
const prefixSql = {
  sqlite: deletePart('key >= ?1 AND key < ?2'),
  postgres: deletePart('key >= $1 AND key < $2'),
};
/** Above every printable ASCII character. */
const aboveAll = '\x7f';

export class SqlCacheStore implements CacheStore {
  readonly tier = 'database' as const;
  readonly #engine: SqlEngine;
  #writesUntilPrune = pruneEvery;
  #pruning = false;
  #closed = false;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async getMany(keys: readonly string[]): Promise<readonly (StoredValue | undefined)[]> {
    this.#refuseClosed();
    if (keys.length === 0) return [];
    const { kind } = this.#engine;
    const nowMs = this.#engine.nowMs();
    const wanted = kind === 'sqlite' ? JSON.stringify(keys) : keys;
    const rows = await this.#engine.select<CacheTable>(readSql[kind], [wanted, nowMs]);
    const byKey = new Map(rows.map((row) => [row.key, row]));
    return keys.map((key) => {
      const row = byKey.get(key);
      return row === undefined ? undefined : { value: row.value, ttlMs: row.expires_ms - nowMs };
    });
  }

  async setMany(entries: readonly CacheEntry[]): Promise<void> {
    this.#refuseClosed();
    if (entries.length === 0) return;
    const nowMs = this.#engine.nowMs();
    const latest = new Map(
      entries.map(({ key, value, ttlMs }) => [key, { key, value, expires_ms: Math.ceil(nowMs + ttlMs) }]),
    );
    // In one order for everybody: two writers that lock the same rows in different orders would wait for each other.
    const rows = [...latest.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    for (let start = 0; start < rows.length; start += rowsPerStatement) {
      await this.#upsert(rows.slice(start, start + rowsPerStatement));
    }
    this.#writesUntilPrune -= rows.length;
    if (this.#writesUntilPrune <= 0) void this.#prune();
  }

  async deletePrefix(prefix: string): Promise<number> {
    this.#refuseClosed();
    return await this.#deleteInParts(prefixSql[this.#engine.kind], [prefix, prefix + aboveAll]);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async #upsert(rows: readonly CacheTable[]): Promise<void> {
    const query = this.#engine.builder
      .insertInto('cache_entries')
      .values(rows)
      .onConflict((conflict) =>
        conflict.column('key').doUpdateSet((set) => ({
          value: set.ref('excluded.value'),
          expires_ms: set.ref('excluded.expires_ms'),
        })),
      )
      .compile();
    await changeRows(this.#engine, query, true);
  }

  /** On nobody's behalf, so nobody hears of a failure; the next round tries again. */
  async #prune(): Promise<void> {
    this.#writesUntilPrune = pruneEvery;
    if (this.#pruning) return;
    this.#pruning = true;
    await this.#deleteInParts(pruneSql[this.#engine.kind], [this.#engine.nowMs()]).catch(() => {});
    this.#pruning = false;
  }

  async #deleteInParts(sql: string, values: readonly (string | number)[]): Promise<number> {
    let total = 0;
    while (!this.#closed) {
      const deleted = await this.#engine.change(sql, values, true);
      total += deleted;
      if (deleted < pruneBatch) break;
    }
    return total;
  }

  #refuseClosed(): void {
    if (this.#closed) throw new HotpathError('SHUTTING_DOWN', 'The cache in the database is closed.');
  }
}
