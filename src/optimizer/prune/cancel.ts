/** The one way in which pruning and training notice that nobody waits any more. */
import { HotpathError } from '../../core/errors.ts';

/** @throws CANCELLED */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new HotpathError('CANCELLED', 'The optimization was cancelled.');
}
