/** What a PostgreSQL URL says: where it leads, without who goes there, for people; and how the driver is to read it. Called at opening. */
import pg from 'pg';
import { invalidInput } from '../../core/errors.ts';

/** `10.0.0.5:5432/hotpath`, for logs, errors and status. @throws INVALID_INPUT, never with the URL in it. */
export function placeOf(url: string): string {
  try {
    // The driver's own reading of the URL; a client that is not connected is only data.
    const { host, port, database } = new pg.Client(driverUrlOf(url));
    return `${host}:${port}/${database ?? ''}`;
  } catch {
    throw invalidInput(
      'databaseUrl',
      'databaseUrl must be like postgres://user:password@host:5432/database, with special characters percent-encoded.',
      'postgres://user:password@host:5432/database',
    );
  }
}

/**
 * The driver takes `prefer`, `require` and `verify-ca` for `verify-full`, which is the safe reading, but warns that this will change.
 * Said outright it stays: with TLS the server's certificate is always verified.
 */
export function driverUrlOf(url: string): string {
  return url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/, '$1verify-full');
}
