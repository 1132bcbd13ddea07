/**
 * Tries a call again where that is safe and may help: exponential backoff with full jitter, never before the server's Retry-After,
 * never beyond the deadline, and only while the budget lasts, so that clients do not bury a server that is in trouble.
 * Used by both clients. Inference changes nothing on the server, so a call may be sent twice, except for a step of a sequence.
 */
import { HotpathClientError } from './client-error.ts';
import type { Deadline } from './deadline.ts';

export interface RetryOptions {
  /** Attempts after the first. @default 2 */
  readonly retries: number;
  /** The wait before retry n is random in [0, min(maxDelayMs, baseDelayMs * 2^n)). @default 50 */
  readonly baseDelayMs: number;
  /** @default 2000 */
  readonly maxDelayMs: number;
  /** Retries per call that are earned over time: 0.2 lets at most every sixth request be a retry. @default 0.2 */
  readonly budgetRatio: number;
}

const defaultRetry: RetryOptions = { retries: 2, baseDelayMs: 50, maxDelayMs: 2000, budgetRatio: 0.2 };

/** Retries that may be made at once by a client that has been quiet. */
const budgetCap = 10;

/** As clients are given it: a number of retries, or what differs from the defaults. */
export function retryOptionsOf(given: number | Partial<RetryOptions> | undefined): RetryOptions {
  return typeof given === 'number' ? { ...defaultRetry, retries: given } : { ...defaultRetry, ...given };
}

/** Milliseconds before the retry that follows `attempt`, which counts from 0. */
export function retryDelayMs(
  options: RetryOptions,
  attempt: number,
  retryAfterSeconds: number | undefined,
  random: () => number,
): number {
  const jitterMs = random() * Math.min(options.maxDelayMs, options.baseDelayMs * 2 ** attempt);
  return (retryAfterSeconds ?? 0) * 1000 + jitterMs;
}

export class Retrier {
  readonly #options: RetryOptions;
  readonly #random: () => number;
  #budget = budgetCap;

  /** `random`: uniform in [0, 1). */
  constructor(options: RetryOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /**
   * `repeatable` false: only what the server has refused is sent again, not what may have reached it.
   * @throws what the last attempt threw.
   */
  async run<T>(deadline: Deadline, attempt: () => Promise<T>, repeatable = true): Promise<T> {
    this.#budget = Math.min(budgetCap, this.#budget + this.#options.budgetRatio);
    for (let attempts = 0; ; attempts++) {
      try {
        return await attempt();
      } catch (error) {
        if (attempts >= this.#options.retries || !mayHelp(error, repeatable) || this.#budget < 1) throw error;
        const delayMs = retryDelayMs(this.#options, attempts, error.retryAfterSeconds, this.#random);
        if (delayMs >= deadline.remainingMs()) throw error;
        this.#budget -= 1;
        await deadline.sleep(delayMs);
      }
    }
  }
}

/** Nobody answered, or the server says that it cannot now. What it says of the request itself would be said again. */
const passing: ReadonlySet<string> = new Set([
  'CONNECTION_FAILED',
  'OVERLOADED',
  'RATE_LIMITED',
  'MODEL_NOT_READY',
  'SHUTTING_DOWN',
]);

function mayHelp(error: unknown, repeatable: boolean): error is HotpathClientError {
  if (!(error instanceof HotpathClientError)) return false;
  return passing.has(error.code) && (repeatable || error.code !== 'CONNECTION_FAILED');
}
