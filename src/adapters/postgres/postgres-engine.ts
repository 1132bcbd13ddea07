/** PostgreSQL behind the query layer: queries are written here and run on the pool. */
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import type { SqlEngine, SqlId, Tables } from '../sql/tables.ts';
import type { ConnectionPool } from './connection-pool.ts';

export function postgresEngine(pool: ConnectionPool, nowMs: () => number): SqlEngine {
  const builder = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (kysely) => new PostgresIntrospector(kysely),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
  return {
    kind: 'postgres',
    builder,
    toSqlId: (id) => id,
    fromSqlId: (id: SqlId) => id as string,
    nowMs,
    async select<Row>(sql: string, values: readonly unknown[]) {
      return (await pool.use((client) => client.query(sql, values as unknown[]))).rows as readonly Row[];
    },
    async change(sql, values) {
      return (await pool.use((client) => client.query(sql, values as unknown[]))).rowCount ?? 0;
    },
  };
}
