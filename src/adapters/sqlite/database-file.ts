/** The file a `sqlite:` URL means. Called when a database is opened. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { invalidInput } from '../../core/errors.ts';

export interface Place {
  readonly file: string;
  /** Forgets a database that was only for this process. */
  discard(): void;
}

/** `sqlite:data/x.db`, `sqlite:/srv/x.db`, `sqlite:///srv/x.db`, `sqlite::memory:`. @throws INVALID_INPUT */
export function placeOf(url: string): Place {
  const path = url.replace(/^sqlite:(?:\/\/(?=\/))?/, '');
  if (path === '' || path.startsWith('//') || path.includes('\0')) {
    throw invalidInput('databaseUrl', 'databaseUrl must be "sqlite:" and the path of a file.', 'sqlite:<file>');
  }
  if (path === ':memory:') {
    // A file after all: what is in memory belongs to one connection, and there are several.
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-db-'));
    return { file: join(folder, 'memory.db'), discard: () => rmSync(folder, { recursive: true, force: true }) };
  }
  return { file: resolve(path), discard: () => {} };
}

/** @throws INVALID_INPUT */
export function makeFolder(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw invalidInput('databaseUrl', `The folder of the database cannot be made (${code}).`);
  }
}
