/** API keys in the database, on both engines. Called by core/access, which keeps a copy and asks `revision` every few seconds. */
import type { CallerLimits, Role } from '../../ports/access.ts';
import type { KeyStore, StoredKey } from '../../ports/key-store.ts';
import { changeRows, type KeyTable, type SqlEngine, selectRows } from './tables.ts';

function toStoredKey(row: KeyTable): StoredKey {
  return {
    id: row.id,
    hash: row.hash,
    name: row.name,
    role: row.role as Role,
    models: row.models === null ? undefined : (JSON.parse(row.models) as string[]),
    limits: JSON.parse(row.limits) as CallerLimits,
    createdMs: row.created_ms,
    expiresMs: row.expires_ms ?? undefined,
    revokedMs: row.revoked_ms ?? undefined,
  };
}

function toRow(key: StoredKey): KeyTable {
  return {
    id: key.id,
    hash: key.hash,
    name: key.name,
    role: key.role,
    models: key.models === undefined ? null : JSON.stringify(key.models),
    limits: JSON.stringify(key.limits),
    created_ms: key.createdMs,
    expires_ms: key.expiresMs ?? null,
    revoked_ms: key.revokedMs ?? null,
  };
}

export class SqlKeyStore implements KeyStore {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async list(): Promise<readonly StoredKey[]> {
    const query = this.#engine.builder.selectFrom('api_keys').selectAll().orderBy('created_ms').orderBy('id').compile();
    return (await selectRows(this.#engine, query)).map(toStoredKey);
  }

  /** Keys are only added and revoked, each once, so two counts tell of every change. */
  async revision(): Promise<string> {
    const sql = 'SELECT count(*) AS keys, count(revoked_ms) AS revoked FROM api_keys';
    const [row] = await this.#engine.select<{ keys: number; revoked: number }>(sql, []);
    return `${row!.keys}.${row!.revoked}`;
  }

  async insert(key: StoredKey): Promise<void> {
    await changeRows(this.#engine, this.#engine.builder.insertInto('api_keys').values(toRow(key)).compile());
  }

  async revoke(id: string, nowMs: number): Promise<boolean> {
    const query = this.#engine.builder
      .updateTable('api_keys')
      .set({ revoked_ms: nowMs })
      .where('id', '=', id)
      .where('revoked_ms', 'is', null)
      .compile();
    return (await changeRows(this.#engine, query)) === 1;
  }
}
