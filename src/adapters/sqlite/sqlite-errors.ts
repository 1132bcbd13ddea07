/** What SQLite says, as errors of this house: a sentence without paths, SQLite's own text as the cause, for the log. */
import { HotpathError } from '../../core/errors.ts';
import type { ThreadFailure } from './thread-messages.ts';

const locked = new HotpathError('OVERLOADED', 'The database is locked by another process.', { retryAfterSeconds: 1 });

/** By primary result code, https://www.sqlite.org/rescode.html. */
const sentences: Readonly<Record<number, string>> = {
  8: 'The database cannot be written to.',
  10: 'The disk of the database failed.',
  11: 'The database file is damaged.',
  13: 'The disk of the database is full.',
  14: 'The database file cannot be opened.',
  26: 'The database file is no SQLite database.',
};

export function fromSqlite({ message, code, refused }: ThreadFailure): HotpathError {
  if (refused === true) return new HotpathError('INVALID_INPUT', `The query is refused: ${message}.`);
  const options = { cause: new Error(message) };
  // The lower byte; the rest says more closely why.
  const primary = code === undefined ? undefined : code & 0xff;
  if (primary === 5 || primary === 6) return new HotpathError(locked.code, locked.message, locked.details, options);
  if (primary === 1 && message.includes('no such table')) {
    return new HotpathError(
      'INTERNAL',
      'The database lacks a table: `hotpath db migrate` makes those of Hotpath.',
      undefined,
      options,
    );
  }
  const sentence = primary === undefined ? undefined : sentences[primary];
  const fallback = code === undefined ? 'The database failed.' : `The database refused the statement (SQLite ${code}).`;
  return new HotpathError('INTERNAL', sentence ?? fallback, undefined, options);
}
