/**
 * Which requests a connection still owes an answer. One close listener per socket (or HTTP/2 stream), not per request:
 * when it closes, everything pending is abandoned. Also tells the idle timeout which connections merely wait for us.
 */
import type { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Abandonable } from './wire.ts';

const stateKey = Symbol('pending');

interface Carrier extends EventEmitter {
  [stateKey]?: Pending;
}

/** Almost always one request at a time; more only with pipelining. */
class Pending {
  one: Abandonable | undefined;
  readonly more = new Set<Abandonable>();

  abandonAll(): void {
    this.one?.abandon();
    for (const item of this.more) item.abandon();
  }
}

/** Remembers `item` until `untrack`; calls its `abandon` if the client leaves before. */
export function track(request: IncomingMessage, item: Abandonable): void {
  const carrier = carrierOf(request);
  let pending = carrier[stateKey];
  if (pending === undefined) {
    pending = new Pending();
    carrier[stateKey] = pending;
    carrier.once('close', pending.abandonAll.bind(pending));
  }
  if (pending.one === undefined) pending.one = item;
  else pending.more.add(item);
}

export function untrack(request: IncomingMessage, item: Abandonable): void {
  const pending = carrierOf(request)[stateKey];
  if (pending === undefined) return;
  if (pending.one === item) pending.one = undefined;
  else pending.more.delete(item);
}

/** True when the connection waits for an answer of ours, so that silence on it is not the client's fault. */
export function hasPending(carrier: EventEmitter): boolean {
  const pending = (carrier as Carrier)[stateKey];
  return pending !== undefined && (pending.one !== undefined || pending.more.size > 0);
}

/** HTTP/2 requests share a socket; there the stream is what closes when one client call ends. */
function carrierOf(request: IncomingMessage): Carrier {
  return (request as { stream?: Carrier }).stream ?? request.socket;
}
