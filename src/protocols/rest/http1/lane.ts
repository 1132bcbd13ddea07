/**
 * A lean HTTP/1.1 for the predict routes, in front of node's server on the same listener. A connection starts here; the first
 * request that is not a plain predict request takes it over to node for good, byte for byte as it came. Why: decision 009.
 * Made by the REST server.
 */
import type http from 'node:http';
import type https from 'node:https';
import type { Socket } from 'node:net';
import type { Clock, TimerHandle } from '../../../ports/clock.ts';
import { AnswerText } from './answer-text.ts';
import { LaneConnection, type LaneHost, type LaneOptions } from './lane-connection.ts';

export class Http1Lane {
  readonly #clock: Clock;
  readonly #connections = new Set<LaneConnection>();
  readonly #host: LaneHost;
  readonly #answers: AnswerText;
  readonly #everyMs: number;
  #timer: TimerHandle | undefined;
  #nowMs = 0;

  /** Puts itself before the server's own listener for new connections. */
  constructor(server: http.Server | https.Server, isSecure: boolean, clock: Clock, options: LaneOptions) {
    this.#clock = clock;
    const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = options;
    this.#answers = new AnswerText(keepAliveTimeoutMs);
    const limits = [headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs].filter((limit) => limit > 0);
    this.#everyMs = Math.max(50, Math.min(1000, ...limits.map((limit) => limit / 2)));
    const event = isSecure ? 'secureConnection' : 'connection';
    const nodeListeners = server.listeners(event);
    server.removeAllListeners(event);
    this.#host = {
      ...options,
      answers: this.#answers,
      nowMs: () => this.#nowMs,
      passOn: (connection, socket) => {
        this.#connections.delete(connection);
        for (const listener of nodeListeners) listener.call(server, socket);
      },
      closed: (connection) => this.#connections.delete(connection),
    };
    server.on(event, (socket: Socket) => {
      if (this.#timer === undefined) this.#tick();
      this.#connections.add(new LaneConnection(this.#host, socket));
    });
  }

  /** Cuts the connections that wait for a request. */
  closeIdle(): void {
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  /** Cuts all. */
  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  /** One timer for all connections, since one for each would cost every request something; it also keeps the date. */
  readonly #tick = (): void => {
    this.#nowMs = this.#clock.now();
    this.#answers.setDate(new Date());
    // Connections note the time of the tick before, so they may seem older than they are by one tick.
    for (const connection of this.#connections) connection.checkTime(this.#nowMs - this.#everyMs);
    const isIdle = this.#timer !== undefined && this.#connections.size === 0;
    this.#timer = isIdle ? undefined : this.#clock.after(this.#everyMs, this.#tick);
  };
}
