/** Gives up on work that takes too long. The work is told by its token and cleans up behind itself whenever it ends. */
import type { Clock } from '../../ports/clock.ts';
import { CancelToken } from '../types.ts';

/** @throws what `expired` makes, after `limitMs`; otherwise what the work throws. */
export async function withTimeLimit<T>(
  clock: Clock,
  limitMs: number,
  expired: () => Error,
  work: (token: CancelToken) => Promise<T>,
): Promise<T> {
  const token = new CancelToken();
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = clock.after(limitMs, () => {
    token.cancel();
    reject(expired());
  });
  try {
    return await Promise.race([work(token), promise]);
  } finally {
    clock.clear(timer);
  }
}
