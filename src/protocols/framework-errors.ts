/** What Fastify itself refuses (bad URL, odd content type), in the terms of our error table. */
import { type ErrorCode, HotpathError } from '../core/errors.ts';

const codes: Record<number, ErrorCode> = {
  400: 'INVALID_INPUT',
  404: 'NOT_FOUND',
  413: 'PAYLOAD_TOO_LARGE',
  414: 'INVALID_INPUT',
  415: 'UNSUPPORTED_MEDIA_TYPE',
};

/** Our own errors unchanged; Fastify's 4xx with a sentence of ours; anything else is INTERNAL with its cause for the log. */
export function fromFramework(thrown: unknown): HotpathError {
  if (thrown instanceof HotpathError) return thrown;
  const status = (thrown as { statusCode?: number } | undefined)?.statusCode ?? 500;
  const code = codes[status];
  if (code === undefined) {
    return new HotpathError('INTERNAL', 'Something went wrong inside the server.', undefined, { cause: thrown });
  }
  const message =
    code === 'UNSUPPORTED_MEDIA_TYPE' ? 'The Content-Type is malformed.' : 'The request URL or headers are malformed.';
  return new HotpathError(code, message);
}
