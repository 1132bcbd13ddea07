/** SQLite behind the query layer: queries are written here and run on the threads. Reads never wait for writes (WAL), nor writes for reads. */
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { SqlValue } from '../../ports/database.ts';
import type { SqlEngine, SqlId, StatementValue, Tables } from '../sql/tables.ts';
import { bytesToUuid, uuidToBytes } from '../sql/uuid.ts';
import type { SqlThread } from './sql-thread.ts';

export function sqliteEngine(writer: SqlThread, reader: SqlThread, nowMs: () => number): SqlEngine {
  const builder = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (kysely) => new SqliteIntrospector(kysely),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
  return {
    kind: 'sqlite',
    builder,
    toSqlId: uuidToBytes,
    fromSqlId: (id: SqlId) => bytesToUuid(id as Uint8Array),
    nowMs,
    async select<Row>(sql: string, values: readonly StatementValue[]) {
      return (await reader.submit({ kind: 'select', sql, values: values as readonly SqlValue[] })) as readonly Row[];
    },
    async change(sql, values, passing = false) {
      return (await writer.submit({ kind: 'change', sql, values: values as readonly SqlValue[], passing })) as number;
    },
  };
}
