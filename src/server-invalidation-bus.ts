/**
 * Tells the other processes which cached answers are no longer to be given: siblings over the supervisor, other servers over Redis.
 * One bus for the response cache, made by server.ts. What reaches a sibling twice is dropped twice, which does no harm.
 */
import type { Invalidation, InvalidationBus } from './ports/cache-store.ts';

export interface SiblingBus extends InvalidationBus {
  /** A sibling has published it. */
  deliver(invalidation: Invalidation): void;
}

/** @param tellSiblings rejects when one of them did not take it. */
export function joinBuses(
  tellSiblings: (invalidation: Invalidation) => Promise<void>,
  remote: InvalidationBus | undefined,
): SiblingBus {
  const handlers: ((invalidation: Invalidation) => void)[] = [];
  const deliver = (invalidation: Invalidation): void => {
    for (const handle of handlers) handle(invalidation);
  };
  remote?.onInvalidation(deliver);
  return {
    deliver,
    onInvalidation: (handler) => void handlers.push(handler),
    async publish(invalidation) {
      // Each tells whom it can reach, also when the other fails.
      const told = await Promise.allSettled([tellSiblings(invalidation), remote?.publish(invalidation)]);
      for (const result of told) if (result.status === 'rejected') throw result.reason;
    },
  };
}
