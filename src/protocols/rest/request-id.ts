/** X-Request-Id: taken over from the client when sane, else made here; echoed in every answer and written to the log. */
import { randomBytes } from 'node:crypto';
import type { Wire } from './wire.ts';

const sane = /^[A-Za-z0-9._-]{1,128}$/;

/** Ids are a random prefix of this process and a counter: unique across processes, and a few nanoseconds each. */
const prefix = `${randomBytes(6).toString('hex')}-`;
let counter = 0;

/** The id of a request: the client's if it is 1 to 128 characters of `A-Za-z0-9._-`, else one made on the first call. */
export function requestIdOf(wire: Wire): string {
  if (wire.id !== undefined) return wire.id;
  const header = wire.headers['x-request-id'];
  wire.id = typeof header === 'string' && sane.test(header) ? header : nextId();
  return wire.id;
}

function nextId(): string {
  counter = (counter + 1) % Number.MAX_SAFE_INTEGER;
  return prefix + counter.toString(36);
}
