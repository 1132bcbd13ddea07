/** Error codes as gRPC statuses, and a status as the trailers of a call. A new code in core fails the build here until it has one. */
import { type ErrorCode, type HotpathError, toHotpathError } from '../../core/errors.ts';

/** google.rpc.Code. */
export const grpcStatus = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export const statusOf = {
  INVALID_INPUT: grpcStatus.INVALID_ARGUMENT,
  PAYLOAD_TOO_LARGE: grpcStatus.RESOURCE_EXHAUSTED,
  // What gRPC asks for when a message encoding is unknown.
  UNSUPPORTED_MEDIA_TYPE: grpcStatus.UNIMPLEMENTED,
  NOT_FOUND: grpcStatus.NOT_FOUND,
  MODEL_NOT_FOUND: grpcStatus.NOT_FOUND,
  MODEL_NOT_READY: grpcStatus.UNAVAILABLE,
  MODEL_FAILED: grpcStatus.UNAVAILABLE,
  OVERLOADED: grpcStatus.RESOURCE_EXHAUSTED,
  UNAUTHENTICATED: grpcStatus.UNAUTHENTICATED,
  PERMISSION_DENIED: grpcStatus.PERMISSION_DENIED,
  RATE_LIMITED: grpcStatus.RESOURCE_EXHAUSTED,
  DEADLINE_EXCEEDED: grpcStatus.DEADLINE_EXCEEDED,
  CANCELLED: grpcStatus.CANCELLED,
  POISON_INPUT: grpcStatus.INVALID_ARGUMENT,
  ENGINE_FAILED: grpcStatus.INVALID_ARGUMENT,
  ENGINE_CRASHED: grpcStatus.INTERNAL,
  SHUTTING_DOWN: grpcStatus.UNAVAILABLE,
  UNSUPPORTED: grpcStatus.UNIMPLEMENTED,
  INTERNAL: grpcStatus.INTERNAL,
} as const satisfies Record<ErrorCode, number>;

export type Trailers = Readonly<Record<string, string>>;

export const okTrailers: Trailers = { 'grpc-status': '0' };

/** Seconds after which a client may try again, for codes where the error itself does not say. */
const defaultRetrySeconds: Partial<Record<ErrorCode, number>> = { OVERLOADED: 1, RATE_LIMITED: 1 };

/** Clients refuse headers beyond some kilobytes, and some messages name what a client made long. */
const maxMessageBytes = 4096;

/** The trailers of a failed call. Anything that is no HotpathError is a bug of ours and shown without its details. */
export function errorTrailers(thrown: unknown): Trailers {
  const error = toHotpathError(thrown);
  const trailers: Record<string, string> = {
    'grpc-status': String(statusOf[error.code]),
    'grpc-message': encodeMessage(error.message),
  };
  const retrySeconds = retrySecondsOf(error);
  if (retrySeconds !== undefined) trailers['grpc-retry-pushback-ms'] = String(Math.ceil(retrySeconds * 1000));
  // Unknown to the client library, useful to people: the code as the REST API writes it.
  trailers['hotpath-code'] = error.code;
  return withFacts(trailers, error.details?.headers ?? []);
}

/** The same trailers where there are none to add, which are sent as they were prepared. */
export function withFacts(trailers: Trailers, facts: readonly string[]): Trailers {
  if (facts.length === 0) return trailers;
  const more: Record<string, string> = { ...trailers };
  for (let at = 0; at + 1 < facts.length; at += 2) more[facts[at]!] = facts[at + 1]!;
  return more;
}

function encodeMessage(text: string): string {
  let encoded = percentEncode(text);
  while (encoded.length > maxMessageBytes) {
    text = text.slice(0, Math.floor((text.length * maxMessageBytes) / encoded.length) - 1);
    encoded = percentEncode(text);
  }
  return encoded;
}

function retrySecondsOf({ code, details }: HotpathError): number | undefined {
  const fallback = defaultRetrySeconds[code];
  return fallback === undefined ? undefined : (details?.retryAfterSeconds ?? fallback);
}

/** gRPC's `Percent-Encoded`: UTF-8, everything but printable ASCII escaped, and the percent sign. */
export function percentEncode(text: string): string {
  if (!/[^\x20-\x24\x26-\x7e]/.test(text)) return text;
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
