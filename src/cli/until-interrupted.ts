/**
 * Runs a long job that a signal may end: SIGINT and SIGTERM abort it, and it gets the time to end what it started. Called by commands.
 * Signals do what they always do before and after, and a second one does not wait.
 */
import { HotpathError } from '../core/errors.ts';

/**
 * @param sentence what the user is told then
 * @throws CANCELLED after a signal, whatever the job made of it
 */
export async function untilInterrupted<Result>(
  job: (signal: AbortSignal) => Promise<Result>,
  sentence = 'Interrupted: nothing was written.',
): Promise<Result> {
  const cancel = new AbortController();
  const onSignal = () => cancel.abort(new HotpathError('CANCELLED', sentence));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const result = await job(cancel.signal);
    if (!cancel.signal.aborted) return result;
  } catch (error) {
    if (!cancel.signal.aborted) throw error;
  } finally {
    process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal);
  }
  throw new HotpathError('CANCELLED', sentence);
}
