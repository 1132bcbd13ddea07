/**
 * The one table of things that can go wrong. Core, engines and adapters throw `HotpathError` with a code from here;
 * each protocol maps the codes once with `satisfies Record<ErrorCode, ...>`, so a new code fails the build at every edge.
 * Messages say what was wrong with the name and the expected value. They never carry paths, stacks or internals.
 */

/** Every code with what it means; the reference page is generated from this record. */
export const errorCodes = {
  INVALID_INPUT: 'The request is malformed or does not fit the model signature.',
  PAYLOAD_TOO_LARGE: 'The body, or what it decompresses to, is larger than the limit.',
  UNSUPPORTED_MEDIA_TYPE: 'The content type or content encoding is not one the server speaks.',
  NOT_FOUND: 'No such route or resource.',
  MODEL_NOT_FOUND: 'No model of this name, version or label in the repository.',
  MODEL_NOT_READY: 'The model is loading or unloading; try again shortly.',
  MODEL_FAILED: 'The model could not be loaded; the message says why.',
  OVERLOADED: 'The request was refused because it could not have been answered in time.',
  UNAUTHENTICATED: 'No credentials, or none that this server accepts.',
  PERMISSION_DENIED: 'The caller is known and may not do this.',
  RATE_LIMITED: 'This client sends more than its share.',
  DEADLINE_EXCEEDED: 'The deadline passed while the request waited or ran.',
  CANCELLED: 'The client left before the answer was ready.',
  POISON_INPUT: 'This input crashed the engine twice and is refused.',
  ENGINE_FAILED: 'The model ran and failed on this input; the message is the runtime’s.',
  ENGINE_CRASHED: 'The engine worker died while it ran this request.',
  SHUTTING_DOWN: 'The server is stopping and takes no new work.',
  UNSUPPORTED: 'The server understood but does not offer this.',
  INTERNAL: 'A bug in Hotpath. The request id finds it in the log.',
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface ErrorDetails {
  /** The field the message is about, as a path in the request: `inputs.age.data[3]`. */
  readonly field?: string;
  readonly expected?: string;
  readonly received?: string;
  /** Seconds after which a retry may succeed; protocols turn it into Retry-After or a pushback trailer. */
  readonly retryAfterSeconds?: number;
  /** Name, value, name, value: for the headers of the answer, not for its body. */
  readonly headers?: readonly string[];
  readonly [key: string]: unknown;
}

/** An error with a stable code, safe to show to clients. Anything else that is thrown is a bug and shown as INTERNAL. */
export class HotpathError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;

  constructor(code: ErrorCode, message: string, details?: ErrorDetails, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'HotpathError';
    this.code = code;
    this.details = details;
  }
}

/** A 4xx about one named field. */
export function invalidInput(field: string, message: string, expected?: string, received?: string): HotpathError {
  return new HotpathError('INVALID_INPUT', message, {
    field,
    ...(expected === undefined ? {} : { expected }),
    ...(received === undefined ? {} : { received }),
  });
}

/** Any thrown value as a HotpathError; foreign errors become INTERNAL and keep their cause for the log. */
export function toHotpathError(error: unknown): HotpathError {
  if (error instanceof HotpathError) return error;
  return new HotpathError('INTERNAL', 'Something went wrong inside the server.', undefined, { cause: error });
}
