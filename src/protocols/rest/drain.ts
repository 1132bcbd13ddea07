/**
 * Closes a listener without losing a request. Node's own close cuts idle connections at once, and a request on its way to one
 * of them is lost; here kept-alive connections get a moment for their next request, whose answer says `connection: close`.
 */
import type { Http2Session } from 'node:http2';
import net from 'node:net';
import type { Clock } from '../../ports/clock.ts';
import type { NodeServer } from './http-server.ts';
import type { Http1Lane } from './http1/lane.ts';

/** A busy client sends its next request within this; an idle one is cut after it. */
const idleGraceMs = 1000;

export class Drain {
  readonly #server: NodeServer;
  readonly #lane: Http1Lane | undefined;
  readonly #clock: Clock;
  readonly #sessions = new Set<Http2Session>();
  #closed: Promise<void> | undefined;

  constructor(server: NodeServer, lane: Http1Lane | undefined, clock: Clock) {
    this.#server = server;
    this.#lane = lane;
    this.#clock = clock;
    server.on('session', (session: Http2Session) => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
    });
  }

  /** Stops listening now; resolves when every connection has ended. `onGraceOver` runs before idle connections are cut. */
  close(onGraceOver: () => void): Promise<void> {
    this.#closed ??= this.#close(onGraceOver);
    return this.#closed;
  }

  /** Cuts every connection. */
  destroy(): void {
    for (const session of this.#sessions) session.destroy();
    this.#lane?.destroy();
    if ('closeAllConnections' in this.#server) this.#server.closeAllConnections();
  }

  async #close(onGraceOver: () => void): Promise<void> {
    const server = this.#server;
    if (!server.listening) return;
    // net's close only stops accepting; http's would also cut idle connections.
    const ended = new Promise<void>((resolve) => net.Server.prototype.close.call(server, () => resolve()));
    // GOAWAY: streams in progress finish, new ones go elsewhere.
    for (const session of this.#sessions) session.close();
    const timer = this.#clock.after(idleGraceMs, () => {
      onGraceOver();
      this.#lane?.closeIdle();
      if ('closeIdleConnections' in server) server.closeIdleConnections();
    });
    await ended;
    this.#clock.clear(timer);
  }
}
