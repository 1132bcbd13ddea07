/** Any thrown value as the one error answer, with Retry-After where it helps. Bugs are logged with the request's id, once. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type HotpathError, toHotpathError } from '../../core/errors.ts';
import type { Logger } from '../../ports/logger.ts';
import { errorBody, isFailure, retryAfterSeconds, statusOf } from '../http-errors.ts';
import { contentTypes } from './body-format.ts';
import { requestIdOf } from './request-id.ts';
import { type HeaderList, type SendContext, send } from './send.ts';

/** Bytes of an unread body that are worth swallowing to keep the connection. */
const swallowBytes = 1024 * 1024;

export interface ErrorContext extends SendContext {
  readonly deps: { readonly logger: Logger };
}

/** Answers with the error's status and `{"error": {...}}`; returns the error as it was answered. */
export function sendError(
  context: ErrorContext,
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
  headers: HeaderList = [],
): HotpathError {
  const error = toHotpathError(thrown);
  if (isFailure(error.code)) logFailure(context.deps.logger, request, error);
  const retryAfter = retryAfterSeconds(error);
  if (retryAfter !== undefined) headers.push('retry-after', String(retryAfter));
  if (leavesMuchUnread(request) && !context.draining) headers.push('connection', 'close');
  send(context, request, response, statusOf[error.code], contentTypes.json, JSON.stringify(errorBody(error)), headers);
  return error;
}

function logFailure(logger: Logger, request: IncomingMessage, error: HotpathError): void {
  const fields = {
    requestId: requestIdOf(request),
    traceparent: request.headers.traceparent,
    method: request.method,
    url: request.url?.slice(0, 200),
    code: error.code,
    err: error.cause ?? error,
  };
  logger.error(fields, 'request failed');
}

/** An answer before the end of a large body: node would read the rest to keep the connection. HTTP/2 resets the stream. */
function leavesMuchUnread(request: IncomingMessage): boolean {
  if (request.complete || request.httpVersionMajor !== 1) return false;
  const declared = request.headers['content-length'];
  return declared === undefined ? request.headers['transfer-encoding'] !== undefined : Number(declared) > swallowBytes;
}
