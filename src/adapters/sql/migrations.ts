/**
 * The schema as a list of steps, applied in order, each once, in one transaction per run (both databases roll DDL back). A step that
 * was released is never edited: what must change is a new step. Names stand in the table hotpath_migrations.
 *
 * Every index costs inserts, so there are two besides the primary key: predictions_model answers the list of a model and counts
 * frequent inputs, both without touching the table (its first columns search, the rest only ride along), and predictions_failed holds
 * failures alone, so it costs successful predictions nothing. Both are read backwards for newest first. Neither holds a time: ids do.
 *
 * SQLite has no partitions: all tables share one file, and dropping a table frees its pages one by one as deleting does. Old rows are
 * the left end of the primary key there, deleted in small batches. WITHOUT ROWID, because a second tree from id to rowid costs more.
 */

export interface Migration {
  readonly name: string;
  readonly statements: readonly string[];
}

const summary = 'version, status, caller, row_count, duration_ms, cache';

const predictionsOfSqlite = [
  `CREATE TABLE predictions (
    id BLOB NOT NULL PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, status TEXT NOT NULL, caller TEXT NOT NULL,
    row_count INTEGER NOT NULL, duration_ms REAL NOT NULL, cache TEXT NOT NULL, input_key BLOB, inputs BLOB, outputs BLOB
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX predictions_model ON predictions (model, id, ${summary}, input_key)`,
  `CREATE INDEX predictions_failed ON predictions (id, model, ${summary}) WHERE status <> 'OK'`,
];

const accessOf = (bytes: string, integer: string, autoKey: string): readonly string[] => [
  `CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY, hash ${bytes} NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, models TEXT,
    limits TEXT NOT NULL, created_ms ${integer} NOT NULL, expires_ms ${integer}, revoked_ms ${integer}
  )`,
  `CREATE TABLE audit_log (
    id ${autoKey}, created_ms ${integer} NOT NULL, caller TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, outcome TEXT NOT NULL
  )`,
];

export const sqliteMigrations: readonly Migration[] = [
  { name: '001-predictions', statements: predictionsOfSqlite },
  {
    name: '002-cache',
    statements: [
      'CREATE TABLE cache_entries (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, expires_ms INTEGER NOT NULL) STRICT',
      'CREATE INDEX cache_entries_expiry ON cache_entries (expires_ms)',
    ],
  },
  { name: '003-access', statements: accessOf('BLOB', 'INTEGER', 'INTEGER PRIMARY KEY') },
];

const predictionsOfPostgres = [
  `CREATE TABLE predictions (
    id uuid PRIMARY KEY, model text NOT NULL, version text NOT NULL, status text NOT NULL, caller text NOT NULL,
    row_count integer NOT NULL, duration_ms double precision NOT NULL, cache text NOT NULL,
    input_key bytea, inputs bytea, outputs bytea
  ) PARTITION BY RANGE (id)`,
  // Tensors hardly compress, and trying costs the server more than the bytes.
  'ALTER TABLE predictions ALTER inputs SET STORAGE EXTERNAL, ALTER outputs SET STORAGE EXTERNAL',
  `CREATE INDEX predictions_model ON predictions (model, id) INCLUDE (${summary}, input_key)`,
  `CREATE INDEX predictions_failed ON predictions (id) INCLUDE (model, ${summary}) WHERE status <> 'OK'`,
  // What no day has a partition for: nothing is ever refused.
  'CREATE TABLE predictions_other PARTITION OF predictions DEFAULT WITH (toast_tuple_target = 8160)',
];

export const postgresMigrations: readonly Migration[] = [
  { name: '001-predictions', statements: predictionsOfPostgres },
  {
    name: '002-cache',
    statements: [
      // Not in the write-ahead log: a cache may be empty after a crash of the server. The collation makes prefixes ranges.
      `CREATE UNLOGGED TABLE cache_entries (
        key text COLLATE "C" PRIMARY KEY, value bytea NOT NULL, expires_ms bigint NOT NULL
      )`,
      'ALTER TABLE cache_entries ALTER value SET STORAGE EXTERNAL',
      'CREATE INDEX cache_entries_expiry ON cache_entries (expires_ms)',
    ],
  },
  {
    name: '003-access',
    statements: accessOf('bytea', 'bigint', 'bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY'),
  },
];

export const migrationTable =
  'CREATE TABLE IF NOT EXISTS hotpath_migrations (name TEXT NOT NULL PRIMARY KEY, applied_ms BIGINT NOT NULL)';

/** What `list` holds that was not applied, in order. */
export function pendingOf(list: readonly Migration[], applied: readonly string[]): readonly Migration[] {
  const known = new Set(applied);
  return list.filter(({ name }) => !known.has(name));
}
