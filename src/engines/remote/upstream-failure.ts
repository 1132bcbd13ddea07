/**
 * Why a call to an upstream did not bring an answer, in the terms that decide what happens next: whether the call may be repeated
 * and whether the address is to blame. Thrown by the transports, turned into a HotpathError by the pool when nothing else helps.
 */
import { HotpathError } from '../../core/errors.ts';

export type FailureKind =
  /** Nobody listens there, or TLS or the address is wrong. Nothing was processed. */
  | 'unreachable'
  /** GOAWAY, REFUSED_STREAM, a reused connection that was closed before an answer began. Nothing was processed. */
  | 'unprocessed'
  /** UNAVAILABLE, 502, 503, or an upstream that does not have the model. */
  | 'unavailable'
  /** RESOURCE_EXHAUSTED, 429, 503 with Retry-After: refused for lack of capacity, which is no fault. */
  | 'overloaded'
  /** The connection broke after the request was sent: it may have been processed. */
  | 'lost'
  /** The time was up. */
  | 'timeout'
  /** The upstream refuses the input; another would too. */
  | 'refused'
  /** An answer that cannot be used, or an internal error. */
  | 'broken'
  /** We gave up ourselves. */
  | 'cancelled';

/** What of the address's record a failure is: it counts against it, says it is well, or says nothing. */
export const verdictOf = {
  unreachable: 'fault',
  unprocessed: 'none',
  unavailable: 'fault',
  overloaded: 'none',
  lost: 'fault',
  // A slow model is no fault, but an address that never answers must be left: the health check and this tell them apart.
  timeout: 'fault',
  refused: 'well',
  broken: 'fault',
  cancelled: 'none',
} as const satisfies Record<FailureKind, 'fault' | 'well' | 'none'>;

export class UpstreamFailure extends Error {
  readonly kind: FailureKind;
  /** What the client gets when this is the last word. */
  readonly error: HotpathError;

  constructor(kind: FailureKind, error: HotpathError) {
    super(error.message);
    this.name = 'UpstreamFailure';
    this.kind = kind;
    this.error = error;
  }
}

export function unreachable(cause?: unknown): UpstreamFailure {
  const code = (cause as { code?: unknown } | undefined)?.code;
  const why = typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? ` (${code})` : '';
  return new UpstreamFailure('unreachable', notReady(`No connection to the upstream could be made${why}.`, cause));
}

export function unprocessed(): UpstreamFailure {
  return new UpstreamFailure('unprocessed', notReady('The upstream closed the connection before it took the request.'));
}

export function connectionLost(cause?: unknown): UpstreamFailure {
  return new UpstreamFailure('lost', notReady('The connection to the upstream broke before the answer.', cause));
}

export function timedOut(): UpstreamFailure {
  return new UpstreamFailure(
    'timeout',
    new HotpathError('DEADLINE_EXCEEDED', 'The upstream did not answer in the time that was left.'),
  );
}

export function cancelled(): UpstreamFailure {
  return new UpstreamFailure('cancelled', new HotpathError('CANCELLED', 'The client left.'));
}

/** An answer that breaks the protocol. */
export function brokenAnswer(what: string, cause?: unknown): UpstreamFailure {
  return new UpstreamFailure(
    'broken',
    new HotpathError('ENGINE_FAILED', `The upstream’s answer cannot be used: ${what}.`, undefined, { cause }),
  );
}

export function toUpstreamFailure(error: unknown): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  if (error instanceof HotpathError) return new UpstreamFailure('broken', error);
  return brokenAnswer('it could not be read', error);
}

function notReady(message: string, cause?: unknown): HotpathError {
  return new HotpathError('MODEL_NOT_READY', message, { retryAfterSeconds: 1 }, { cause });
}
