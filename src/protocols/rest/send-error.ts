/** Any thrown value as the one error answer, with Retry-After where it helps. Bugs are logged with the request's id, once. */
import { type HotpathError, toHotpathError } from '../../core/errors.ts';
import type { Logger } from '../../ports/logger.ts';
import { errorBody, isFailure, retryAfterSeconds, statusOf } from '../http-errors.ts';
import { contentTypes } from './body-format.ts';
import { requestIdOf } from './request-id.ts';
import { type SendContext, send } from './send.ts';
import type { HeaderList, Wire } from './wire.ts';

export interface ErrorContext extends SendContext {
  readonly deps: { readonly logger: Logger };
}

/** Answers with the error's status and `{"error": {...}}`; returns the error as it was answered. */
export function sendError(context: ErrorContext, wire: Wire, thrown: unknown, headers: HeaderList = []): HotpathError {
  const error = toHotpathError(thrown);
  finishError(context, wire, error, headers);
  send(context, wire, statusOf[error.code], contentTypes.json, JSON.stringify(errorBody(error)), headers);
  return error;
}

/** What goes with an error in whatever form it is written: the log, Retry-After, and the end of a connection still sending. */
export function finishError(context: ErrorContext, wire: Wire, error: HotpathError, headers: HeaderList): void {
  if (isFailure(error.code)) logFailure(context.deps.logger, wire, error);
  const retryAfter = retryAfterSeconds(error);
  if (retryAfter !== undefined) headers.push('retry-after', String(retryAfter));
  if (error.code === 'UNAUTHENTICATED') headers.push('www-authenticate', 'Bearer');
  if (error.details?.headers !== undefined) headers.push(...error.details.headers);
  if (wire.leavesMuchUnread) wire.closeAfterAnswer();
}

function logFailure(logger: Logger, wire: Wire, error: HotpathError): void {
  const fields = {
    requestId: requestIdOf(wire),
    traceparent: wire.headers.traceparent,
    method: wire.method,
    url: wire.url.slice(0, 200),
    code: error.code,
    err: error.cause ?? error,
  };
  logger.error(fields, 'request failed');
}
