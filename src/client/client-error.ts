/**
 * What every call of the clients throws, whatever went wrong: one class with a stable code, so that callers write one `catch`.
 * Used by the fetch client and the gRPC client. Must stay free of anything that knows a transport.
 */
import type { ErrorCode, ErrorDetails } from '../core/errors.ts';

/**
 * A code of the server (see docs/reference/errors.md), or one of the client's own: `CONNECTION_FAILED` when nobody answered,
 * `INVALID_RESPONSE` when the answer is not what the protocol says, `UNAUTHORIZED` when something in front of it wants credentials.
 */
export type ClientErrorCode = ErrorCode | 'CONNECTION_FAILED' | 'INVALID_RESPONSE' | 'UNAUTHORIZED';

export interface ClientErrorFields {
  readonly status?: number | undefined;
  readonly details?: ErrorDetails | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

export class HotpathClientError extends Error {
  readonly code: ClientErrorCode;
  /** HTTP status, or gRPC status code over gRPC; undefined when the server did not answer. */
  readonly status: number | undefined;
  /** Of the native API: the field, what was expected and what was received. */
  readonly details: ErrorDetails | undefined;
  /** Seconds after which the server suggests to try again. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ClientErrorCode, message: string, fields: ClientErrorFields = {}) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'HotpathClientError';
    this.code = code;
    this.status = fields.status;
    this.details = fields.details;
    this.retryAfterSeconds = fields.retryAfterSeconds;
  }
}

/** A call that could not be sent as it is; nothing went over the wire. */
export function wrongCall(field: string, message: string): HotpathClientError {
  return new HotpathClientError('INVALID_INPUT', `${field}: ${message}`, { details: { field } });
}

/** The answer is not what the protocol says. */
export function wrongAnswer(message: string, fields: ClientErrorFields = {}): HotpathClientError {
  return new HotpathClientError('INVALID_RESPONSE', message, fields);
}
