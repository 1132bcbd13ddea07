/**
 * One job on one SQLite connection. Called by thread.ts, inside its transaction where there is one. Statements are prepared once and
 * kept, the least recently used are dropped.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { migrationTable, pendingOf } from '../sql/migrations.ts';
import { unpackRows } from '../sql/pack-records.ts';
import type { ThreadJob } from './thread-messages.ts';

const keptStatements = 100;
/** Operators may read, not attach files or change settings. */
const readingStatement = /^\s*(select|with|values)\b/i;
const onlyBlank = /^(\s|;|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)*$/;

/** Not SQLite's refusal but ours: the statement does not only read, or is not alone. */
export class RefusedStatement extends Error {}

export class JobRunner {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** What goes back to the caller. Throws what SQLite throws. */
  run(job: ThreadJob): unknown {
    switch (job.kind) {
      case 'select':
        return this.#prepare(job.sql).all(...job.values);
      case 'read':
        return this.#prepareRead(job.sql)
          .all(...job.values)
          .map(withExactIntegers);
      case 'change':
        return Number(this.#prepare(job.sql).run(...job.values).changes);
      case 'insert':
        return this.#insert(job.sql, job.packed);
      case 'migrate':
        return this.#migrate(job);
    }
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      if (this.#statements.size >= keptStatements) this.#statements.delete(this.#statements.keys().next().value!);
    } else {
      this.#statements.delete(sql);
    }
    this.#statements.set(sql, statement);
    return statement;
  }

  /** SQLite would run the first statement and ignore the rest. */
  #prepareRead(sql: string): StatementSync {
    if (!readingStatement.test(sql)) throw new RefusedStatement('it must be a SELECT');
    const statement = this.#prepare(sql);
    if (!onlyBlank.test(sql.slice(statement.sourceSQL.length))) throw new RefusedStatement('it must be one statement');
    // Otherwise SQLite refuses the row in which one number is beyond 2^53.
    statement.setReadBigInts(true);
    return statement;
  }

  #insert(sql: string, packed: Uint8Array): number {
    const statement = this.#prepare(sql);
    let inserted = 0;
    for (const row of unpackRows(packed)) inserted += Number(statement.run(...row).changes);
    return inserted;
  }

  #migrate({ migrations, nowMs }: Extract<ThreadJob, { kind: 'migrate' }>): readonly string[] {
    this.#database.exec(migrationTable);
    const applied = this.#prepare('SELECT name FROM hotpath_migrations').all() as unknown as { name: string }[];
    const pending = pendingOf(
      migrations,
      applied.map(({ name }) => name),
    );
    for (const { name, statements } of pending) {
      for (const statement of statements) this.#database.exec(statement);
      this.#prepare('INSERT INTO hotpath_migrations (name, applied_ms) VALUES (?, ?)').run(name, nowMs);
    }
    return pending.map(({ name }) => name);
  }
}

/** Integers as numbers where that is exact, and as bigints beyond. */
function withExactIntegers(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, exactInteger(value)]));
}

function exactInteger(value: unknown): unknown {
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
