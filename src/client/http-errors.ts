/**
 * Answers that are no success, and calls that got none, as HotpathClientError. Reads the error bodies of the native API
 * (`{"error": {code, message, details}}`), of the Open Inference Protocol (`{"error": "..."}`, the code in the header
 * `hotpath-code`), and of proxies, which have none.
 */
import type { ErrorDetails } from '../core/errors.ts';
import { type ClientErrorCode, HotpathClientError } from './client-error.ts';

/** What a status means when the body names no code. 503 without a reason may pass; 502 is a proxy that reached no server. */
export const codeOfStatus: Readonly<Record<number, ClientErrorCode>> = {
  400: 'INVALID_INPUT',
  401: 'UNAUTHORIZED',
  403: 'UNAUTHORIZED',
  404: 'NOT_FOUND',
  408: 'DEADLINE_EXCEEDED',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'ENGINE_FAILED',
  429: 'RATE_LIMITED',
  499: 'CANCELLED',
  501: 'UNSUPPORTED',
  502: 'CONNECTION_FAILED',
  503: 'OVERLOADED',
  504: 'DEADLINE_EXCEEDED',
};

/** Proxies may answer whole pages. */
const maxMessageUnits = 300;

interface NativeError {
  readonly code?: string;
  readonly message?: string;
  readonly details?: ErrorDetails;
}

/** @param nowMs wall clock, for a Retry-After that is a date. */
export function errorOfAnswer(status: number, headers: Headers, text: string, nowMs: number): HotpathClientError {
  const error = parseError(text);
  const native = typeof error === 'object' ? error : undefined;
  const fallback = text.trim() === '' ? `The server answered ${status}.` : text.trim().slice(0, maxMessageUnits);
  const message = native?.message ?? (typeof error === 'string' ? error : fallback);
  const named = native?.code ?? headers.get('hotpath-code') ?? undefined;
  const code = (named as ClientErrorCode | undefined) ?? codeOfStatus[status] ?? 'INTERNAL';
  const retryAfterSeconds = parseRetryAfter(headers.get('retry-after'), nowMs);
  return new HotpathClientError(code, message, { status, details: native?.details, retryAfterSeconds });
}

/** Undefined when the body is none of ours. */
function parseError(text: string): NativeError | string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') return error;
    return typeof error === 'object' && error !== null ? (error as NativeError) : undefined;
  } catch {
    return undefined;
  }
}

/** Seconds, or an HTTP date; undefined when it is neither. Source: RFC 9110, 10.2.3. */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header);
  const dateMs = Date.parse(header);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, (dateMs - nowMs) / 1000);
}

/** What `fetch` rejects with, beside an abort: nothing usable came back. */
export function errorOfFetch(cause: unknown): HotpathClientError {
  const inner = (cause as { cause?: { code?: string; message?: string } } | undefined)?.cause;
  const why = inner?.code ?? inner?.message ?? (cause as Error | undefined)?.message ?? 'unknown';
  return new HotpathClientError('CONNECTION_FAILED', `No answer from the server (${why}).`, { cause });
}
