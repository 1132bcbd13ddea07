/**
 * Which database a URL means. Called by the composition root and by `hotpath db`. The driver is loaded only here and only when asked
 * for, so that a server without a database starts as fast as before. Errors never hold the URL: it may have a password in it.
 */
import type { DatabaseOptions, ReadingDatabase } from './adapters/sql/database-options.ts';
import type { Config } from './config/schema.ts';
import { type HotpathError, invalidInput } from './core/errors.ts';
import type { Database } from './ports/database.ts';

/** What of the settings concerns the database, as options. */
export function databaseOptions(config: Config): Omit<DatabaseOptions, 'clock' | 'logger'> {
  return {
    url: config.databaseUrl,
    poolSize: config.databasePoolSize,
    poolOverflow: config.databasePoolOverflow,
    poolTimeoutMs: config.databasePoolTimeoutMs,
    recycleMs: config.databaseRecycleMs,
  };
}

/**
 * Opens it and proves that it answers; applies no migrations.
 * @throws INVALID_INPUT for a URL of another kind, OVERLOADED when the server cannot be reached, INTERNAL for a file that is no database.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  if (options.url.startsWith('sqlite:')) {
    return await (await import('./adapters/sqlite/sqlite-database.ts')).openDatabase(options);
  }
  if (/^postgres(ql)?:\/\//.test(options.url)) {
    return await (await import('./adapters/postgres/postgres-database.ts')).openDatabase(options);
  }
  throw foreignUrl();
}

/** What reads for operators only: nothing is created, changed or locked, and there are no stores. */
export async function openForReading(options: DatabaseOptions): Promise<ReadingDatabase> {
  if (options.url.startsWith('sqlite:')) {
    return await (await import('./adapters/sqlite/reading-database.ts')).openForReading(options);
  }
  return await openDatabase(options);
}

function foreignUrl(): HotpathError {
  return invalidInput(
    'databaseUrl',
    'databaseUrl must be sqlite:<file> or postgres://user:password@host:port/database.',
    'sqlite:<file> or postgres://...',
  );
}
