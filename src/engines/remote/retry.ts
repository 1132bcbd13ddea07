/**
 * Whether a call is sent once more, and how much time it has left. Pure. Inference changes nothing on the upstream, so even a call
 * that may have been processed can be repeated; what the upstream answered is never asked again.
 */
import type { RetryConfig } from '../../ports/upstream-config.ts';
import type { FailureKind } from './upstream-failure.ts';

/** `elsewhere`: only on an address not tried yet. `anywhere`: also on the same one, over another connection. */
export type RetryAdvice = 'no' | 'elsewhere' | 'anywhere';

const advice = {
  unreachable: 'elsewhere',
  unprocessed: 'anywhere',
  unavailable: 'elsewhere',
  overloaded: 'elsewhere',
  lost: 'anywhere',
  timeout: 'no',
  refused: 'no',
  broken: 'no',
  cancelled: 'no',
} as const satisfies Record<FailureKind, RetryAdvice>;

/** @param attempts how many were made, the failed one included */
export function adviseRetry(kind: FailureKind, attempts: number, config: Required<RetryConfig>): RetryAdvice {
  if (attempts > config.attempts) return 'no';
  if (kind === 'lost' && !config.afterConnectionLost) return 'no';
  return advice[kind];
}

/** Milliseconds for the next attempt: the call's own limit, cut by what is left until the deadline. 0 or less: none. */
export function budgetMs(nowMs: number, deadlineMs: number | undefined, timeoutMs: number): number {
  return deadlineMs === undefined ? timeoutMs : Math.min(timeoutMs, deadlineMs - nowMs);
}
