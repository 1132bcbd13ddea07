/** X-Request-Id: taken over from the client when sane, else made here; echoed in every answer and written to the log. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const sane = /^[A-Za-z0-9._-]{1,128}$/;

/** Ids are a random prefix of this process and a counter: unique across processes, and a few nanoseconds each. */
const prefix = `${randomBytes(6).toString('hex')}-`;
let counter = 0;

const idKey = Symbol('request id');

/** The id of a request: the client's if it is 1 to 128 characters of `A-Za-z0-9._-`, else one made on the first call. */
export function requestIdOf(request: IncomingMessage & { [idKey]?: string }): string {
  const known = request[idKey];
  if (known !== undefined) return known;
  const header = request.headers['x-request-id'];
  const id = typeof header === 'string' && sane.test(header) ? header : nextId();
  request[idKey] = id;
  return id;
}

function nextId(): string {
  counter = (counter + 1) % Number.MAX_SAFE_INTEGER;
  return prefix + counter.toString(36);
}
