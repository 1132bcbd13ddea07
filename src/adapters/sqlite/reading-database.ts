/**
 * Somebody else's SQLite file, to fetch features from: opened read-only, in a process of its own. The composition root opens it for the
 * sources of models. Must never create the file or change its journal mode.
 */
import { existsSync } from 'node:fs';
import { invalidInput } from '../../core/errors.ts';
import type { DatabaseOptions, ReadingDatabase } from '../sql/database-options.ts';
import { placeOf } from './database-file.ts';
import { QueryProcess } from './query-process.ts';

/** Starting a process on a busy machine, and then the first look into the file. */
const openTimeoutMs = 10_000;

/** @throws INVALID_INPUT without a file, INTERNAL when it is no database. */
export async function openForReading({ url, clock }: DatabaseOptions): Promise<ReadingDatabase> {
  const { file } = placeOf(url);
  if (!existsSync(file)) throw invalidInput('source', 'The SQLite file does not exist.', 'sqlite:<file>');
  const queries = new QueryProcess(file, clock);
  try {
    await queries.read('SELECT count(*) FROM sqlite_schema', [], openTimeoutMs);
  } catch (error) {
    await queries.close();
    throw error;
  }
  return {
    read: (sql, values, timeoutMs) => queries.read(sql, values, timeoutMs),
    placeholder: (index) => `?${index}`,
    status: () => queries.status(),
    close: () => queries.close(),
  };
}
