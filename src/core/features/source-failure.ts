/**
 * Why a source of features did not answer, for the log, the pool's status and the decision to ask again. Thrown by the adapters;
 * clients see the sentence of `unavailable` only, because what a source says of itself is not theirs.
 */
import { HotpathError } from '../errors.ts';

export class SourceFailure extends Error {
  /** True when nothing was answered and asking again may help at once: a lost connection, a 502. Timeouts have used up the time. */
  readonly repeatable: boolean;
  /** True when the source is there and answered, only not with features: no reason to spare it, or odd entities would end it for all. */
  readonly answered: boolean;

  constructor(message: string, repeatable: boolean, options: { cause?: unknown; answered?: boolean } = {}) {
    super(message, options);
    this.name = 'SourceFailure';
    this.repeatable = repeatable;
    this.answered = options.answered ?? false;
  }
}

/**
 * MODEL_NOT_READY: the request is right and the model is there, but a part that it needs is not for now. It says 503, try again
 * shortly, as for an upstream server that is gone.
 */
export function unavailable(model: string, retryAfterSeconds: number, cause: unknown): HotpathError {
  const message = `The source of features of the model "${model}" does not answer; try again shortly.`;
  return new HotpathError('MODEL_NOT_READY', message, { retryAfterSeconds }, { cause });
}

export function tooManyWait(model: string): HotpathError {
  const message = `Too many entities wait for the source of features of the model "${model}"; try again shortly.`;
  return new HotpathError('OVERLOADED', message, { retryAfterSeconds: 1 });
}
