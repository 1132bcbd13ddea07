/**
 * What PostgreSQL and its driver say, as errors of this house: a sentence without addresses of files or credentials, the driver's own
 * error as the cause, for the log. https://www.postgresql.org/docs/15/errcodes-appendix.html
 */
import { HotpathError } from '../../core/errors.ts';

interface DriverError {
  readonly code?: string;
  readonly message?: string;
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);
/** 08: connection, 53: out of resources, 57P0x: the server stops, starts, or ended this session. */
const passing = /^(08|53|57P0)/;
const goneText =
  /connection terminated|connection ended|client (was closed|has encountered)|not queryable|timeout expired/i;

/** The connection is of no more use. */
export function isConnectionLost(error: unknown): boolean {
  const { code, message } = error as DriverError;
  return (
    (code !== undefined && (networkCodes.has(code) || /^(08|57P0)/.test(code))) ||
    (code === undefined && goneText.test(message ?? ''))
  );
}

export function isUniqueViolation(error: unknown): boolean {
  return (error as DriverError).code === '23505';
}

const sentences: Readonly<Record<string, string>> = {
  '28P01': 'The database refused the user or the password.',
  '28000': 'The database refused the user.',
  '3D000': 'The database server has no database of this name.',
  '42501': 'The user may not do this in the database.',
  '42P01': 'The database lacks a table: `hotpath db migrate` makes those of Hotpath.',
  '55P03': 'A lock in the database was held for too long.',
};

/** The driver's text may quote data: it goes to the log, as the cause. */
function sentenceOf({ code }: DriverError): string {
  if (code !== undefined && Object.hasOwn(sentences, code)) return sentences[code]!;
  return code === undefined ? 'The database failed.' : `The database refused the statement (SQLSTATE ${code}).`;
}

/** @param place without credentials: `10.0.0.5:5432/hotpath`. */
export function fromPostgres(error: unknown, place: string): HotpathError {
  if (error instanceof HotpathError) return error;
  const { code } = error as DriverError;
  const options = { cause: error };
  if (isConnectionLost(error) || (code !== undefined && passing.test(code))) {
    const why = code === undefined ? '' : ` (${code})`;
    return new HotpathError(
      'OVERLOADED',
      `The database ${place} cannot be reached${why}.`,
      { retryAfterSeconds: 1 },
      options,
    );
  }
  if (code === '57014') return new HotpathError('DEADLINE_EXCEEDED', 'The query took too long.', undefined, options);
  if (code === '25006')
    return new HotpathError('INVALID_INPUT', 'The query is refused: it must only read.', undefined, options);
  return new HotpathError('INTERNAL', sentenceOf(error as DriverError), undefined, options);
}
