/** Error codes as HTTP statuses, and the one error body. A new code in core fails the build here until it has a status. */
import { type ErrorCode, HotpathError } from '../core/errors.ts';

export const statusOf = {
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
  // Nobody reads it: the client has left. 499 is what proxies log for that.
  CANCELLED: 499,
  POISON_INPUT: 422,
  ENGINE_FAILED: 422,
  ENGINE_CRASHED: 500,
  SHUTTING_DOWN: 503,
  UNSUPPORTED: 501,
  INTERNAL: 500,
} as const satisfies Record<ErrorCode, number>;

export interface ErrorBody {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly details?: object };
}

/** `{"error": {"code", "message", "details"?}}`. */
export function errorBody(error: HotpathError): ErrorBody {
  const { code, message } = error;
  if (error.details === undefined) return { error: { code, message } };
  // Some details are headers and not for the body.
  const { headers: _, ...details } = error.details;
  return { error: { code, message, details } };
}

/** Seconds for the Retry-After header, at least 1 as it has no fractions; undefined where retrying does not help. */
export function retryAfterSeconds(error: HotpathError): number | undefined {
  const status: number = statusOf[error.code];
  if (status !== 503 && status !== 429) return undefined;
  if (error.code === 'MODEL_FAILED') return undefined;
  return Math.max(1, Math.ceil(error.details?.retryAfterSeconds ?? 1));
}

/** Failures of ours that deserve a log line; refusals under load do not, there would be thousands a second. */
export function isFailure(code: ErrorCode): boolean {
  return code === 'INTERNAL' || code === 'ENGINE_CRASHED';
}

/** The 404 of a route that is not there. */
export function notFound(method: string, url: string): HotpathError {
  return new HotpathError('NOT_FOUND', `No route ${method} ${url.split('?')[0]!.slice(0, 200)}; GET /docs lists them.`);
}
