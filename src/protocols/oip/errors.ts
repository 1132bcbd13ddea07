/**
 * Error codes as HTTP statuses of the Open Inference Protocol, after Triton's map: what is wrong with a request is 400, never
 * 422. Where Triton has no status of its own (413, 429, 504) the usual one stands. Body: `{"error": "<sentence>"}`.
 */
import { type ErrorCode, type HotpathError, toHotpathError } from '../../core/errors.ts';
import { retryAfterSeconds } from '../http-errors.ts';

export const oipStatusOf = {
  INVALID_INPUT: 400,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  NOT_FOUND: 404,
  MODEL_NOT_FOUND: 404,
  MODEL_NOT_READY: 503,
  MODEL_FAILED: 503,
  OVERLOADED: 503,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  RATE_LIMITED: 429,
  DEADLINE_EXCEEDED: 504,
  // Nobody reads it: the client has left. Triton's CANCELLED is 400.
  CANCELLED: 400,
  POISON_INPUT: 400,
  ENGINE_FAILED: 400,
  ENGINE_CRASHED: 500,
  SHUTTING_DOWN: 503,
  UNSUPPORTED: 501,
  INTERNAL: 500,
} as const satisfies Record<ErrorCode, number>;

export interface OipErrorAnswer {
  readonly error: HotpathError;
  readonly status: number;
  readonly body: string;
  /** For the Retry-After header; undefined where retrying does not help. */
  readonly retryAfterSeconds: number | undefined;
}

/** Any thrown value as an answer; what is no HotpathError is a bug and shown as INTERNAL. */
export function errorAnswer(thrown: unknown): OipErrorAnswer {
  const error = toHotpathError(thrown);
  return {
    error,
    status: oipStatusOf[error.code],
    body: JSON.stringify({ error: error.message }),
    retryAfterSeconds: retryAfterSeconds(error),
  };
}
