/**
 * What leaves this folder instead of the driver's errors: those carry the command with all its arguments, the password among them.
 * So no message of the driver and no `cause` is kept, only codes.
 */
import { HotpathError } from '../../core/errors.ts';

/** The driver has no codes of its own for these. */
const timedOut = 'Command timed out';

export function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === timedOut;
}

/** A few words, safe to show: `ECONNREFUSED`, `WRONGPASS`, `timed out`. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (isTimeout(error)) return 'timed out';
  // The first word is Redis' own code; what follows may repeat arguments.
  if (error.name === 'ReplyError') return /^[A-Z]+/.exec(error.message)?.[0] ?? 'ERR';
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : 'connection lost';
}

export function unreachable(): HotpathError {
  return new HotpathError('OVERLOADED', 'Redis cannot be reached.', { retryAfterSeconds: 1 });
}

export function behind(): HotpathError {
  return new HotpathError('OVERLOADED', 'Redis does not take what is sent fast enough.', { retryAfterSeconds: 1 });
}

export function closed(): HotpathError {
  return new HotpathError('SHUTTING_DOWN', 'The connection to Redis is closed.');
}

export function toRedisError(error: unknown): HotpathError {
  if (error instanceof HotpathError) return error;
  if (isTimeout(error)) return new HotpathError('DEADLINE_EXCEEDED', 'Redis did not answer in time.');
  if (error instanceof Error && error.name === 'ReplyError') {
    return new HotpathError('INTERNAL', `Redis refused a command: ${reasonOf(error)}.`);
  }
  return unreachable();
}
