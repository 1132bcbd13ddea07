/** What administrators did, in the database, on both engines. Appended to by core/access and the CLI; never changed, never deleted. */
import type { AuditEntry, AuditLog } from '../../ports/key-store.ts';
import { changeRows, type SqlEngine, selectRows } from './tables.ts';

export class SqlAuditLog implements AuditLog {
  readonly #engine: SqlEngine;

  constructor(engine: SqlEngine) {
    this.#engine = engine;
  }

  async append({ createdMs, caller, action, target, outcome }: AuditEntry): Promise<void> {
    const row = { created_ms: createdMs, caller, action, target, outcome };
    await changeRows(this.#engine, this.#engine.builder.insertInto('audit_log').values(row).compile());
  }

  async list(limit: number): Promise<readonly AuditEntry[]> {
    const query = this.#engine.builder
      .selectFrom('audit_log')
      .select(['created_ms as createdMs', 'caller', 'action', 'target', 'outcome'])
      .orderBy('id', 'desc')
      .limit(limit)
      .compile();
    return await selectRows(this.#engine, query);
  }
}
