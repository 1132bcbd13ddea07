/** How gRPC calls end: trailers, lost streams and HTTP errors of proxies, as HotpathClientError. Called by node-grpc-call.ts. */
import type { IncomingHttpHeaders } from 'node:http2';
import { type ClientErrorCode, HotpathClientError } from './client-error.ts';
import { codeOfStatus } from './http-errors.ts';

/** What a google.rpc.Code means when the server does not say its own. UNAVAILABLE may pass. */
const codes: Readonly<Record<number, ClientErrorCode>> = {
  1: 'CANCELLED',
  3: 'INVALID_INPUT',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  7: 'UNAUTHORIZED',
  8: 'OVERLOADED',
  9: 'ENGINE_FAILED',
  11: 'INVALID_INPUT',
  12: 'UNSUPPORTED',
  14: 'OVERLOADED',
  16: 'UNAUTHORIZED',
};

/** Undefined for a good end. `trailers` may be the headers, of an answer without a message. */
export function errorOfTrailers(trailers: IncomingHttpHeaders): HotpathClientError | undefined {
  const status = Number(trailers['grpc-status']);
  if (status === 0) return undefined;
  const code = (textOf(trailers['hotpath-code']) as ClientErrorCode | undefined) ?? codes[status] ?? 'INTERNAL';
  const message = decodeMessage(textOf(trailers['grpc-message'])) || `The call ended with gRPC status ${status}.`;
  const pushbackMs = Number(textOf(trailers['grpc-retry-pushback-ms']) ?? Number.NaN);
  const retryAfterSeconds = pushbackMs >= 0 ? pushbackMs / 1000 : undefined;
  return new HotpathClientError(code, message, { status, retryAfterSeconds });
}

/** Something that speaks HTTP but no gRPC answered; undefined for 200. */
export function errorOfHttp(status: number): HotpathClientError | undefined {
  if (status === 200) return undefined;
  return new HotpathClientError(codeOfStatus[status] ?? 'INTERNAL', `HTTP status ${status} instead of a gRPC answer.`);
}

/** The stream ended without a status. */
export function errorOfStream(cause: unknown): HotpathClientError {
  const { code, cause: inner } = (cause ?? {}) as { code?: string; cause?: { code?: string } };
  const why = inner?.code ?? code ?? 'the stream ended early';
  return new HotpathClientError('CONNECTION_FAILED', `No answer from the server (${why}).`, { cause });
}

function textOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** Percent-encoded UTF-8; as it is where it is not. */
function decodeMessage(text: string | undefined): string {
  try {
    return decodeURIComponent(text ?? '');
  } catch {
    return text ?? '';
  }
}
