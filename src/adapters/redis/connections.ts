/**
 * The connections to one Redis, taken in turn, and Redis' own time, by which all servers agree on what is left of an entry. Made by
 * open-redis.ts, used by every part of this folder. It logs when Redis goes and comes, not each failure.
 */
import type { Redis } from 'ioredis';
import type { Clock, Random } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Pool, PoolStatus } from '../../ports/pool-status.ts';
import { CallGate } from './call-gate.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { unreachable } from './errors.ts';
import type { RedisTarget } from './url.ts';

export interface ConnectionsOptions {
  readonly target: RedisTarget;
  readonly count: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Subscriber {
  /** Subscribes, on each new connection. */
  begin(redis: Redis): Promise<void>;
  /** No connection, be it lost or not made. */
  onLost(): void;
}

/** A clock set right while connections last is seen after this time. */
const maxTimeAgeMs = 30_000;

export class Connections implements Pool {
  readonly #options: ConnectionsOptions;
  readonly #connections: readonly Connection[];
  readonly #subscribers: Connection[] = [];
  readonly #gate = new CallGate();
  /** Redis' Unix time minus our clock's. */
  #offsetMs = 0;
  #timeReadMs = 0;
  #turn = 0;
  #sent = 0;
  /** Undefined until the first success or failure is known. */
  #reachable: boolean | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#connections = Array.from({ length: options.count }, () =>
      this.#connect(
        (redis) => this.#readTime(redis),
        (connection) => this.#watch(connection),
      ),
    );
  }

  /** Commands of one caller, on one connection. @throws HotpathError (rejects) at once while there is none. */
  send<Result>(start: (redis: Redis) => Promise<Result>): Promise<Result> {
    return this.#gate.run(() => this.#next()?.send(start) ?? Promise.reject(unreachable()));
  }

  /** As `send`, for small commands of many callers: those of one turn of the event loop go out in one write. */
  sendTogether<Result>(start: (redis: Redis) => Promise<Result>): Promise<Result> {
    return this.#gate.run(() => this.#next()?.sendTogether(start) ?? Promise.reject(unreachable()));
  }

  /** Unix milliseconds by Redis' clock. */
  serverNowMs(): number {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#timeReadMs > maxTimeAgeMs) this.#refreshTime(nowMs);
    return nowMs + this.#offsetMs;
  }

  /** One more that is not taken in turn; counted here, closed by whoever asked for it. */
  addSubscriber({ begin, onLost }: Subscriber): Connection {
    const subscriber = this.#connect(begin, ({ ready }) => {
      if (!ready) onLost();
    });
    this.#subscribers.push(subscriber);
    return subscriber;
  }

  status(): PoolStatus {
    const all = [...this.#connections, ...this.#subscribers];
    const size = all.filter(({ ready }) => ready).length;
    const inUse = all.filter(({ ready, inFlight }) => ready && inFlight > 0).length;
    const sum = (of: (connection: Connection) => number) => all.reduce((total, each) => total + of(each), 0);
    return {
      kind: 'redis',
      name: `redis ${this.#options.target.address}`,
      size,
      maxSize: all.length,
      inUse,
      idle: size - inUse,
      waiting: 0,
      acquired: this.#sent,
      waitedMs: 0,
      timeouts: sum(({ timeouts }) => timeouts),
      recycled: sum(({ lost }) => lost),
      errors: sum(({ errors }) => errors),
      lastError: all.find(({ lastError }) => lastError !== undefined)?.lastError,
      breaker: undefined,
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#gate.close().then(async () => {
      await Promise.all(this.#connections.map((connection) => connection.close()));
    });
    return this.#closed;
  }

  #connect(begin: ConnectionOptions['begin'], onChange: ConnectionOptions['onChange']): Connection {
    const { target, timeoutMs, clock, random } = this.#options;
    return new Connection({ target: target.options, timeoutMs, clock, random, begin, onChange });
  }

  #next(): Connection | undefined {
    const count = this.#connections.length;
    for (let tried = 0; tried < count; tried++) {
      this.#turn = (this.#turn + 1) % count;
      const connection = this.#connections[this.#turn]!;
      if (!connection.ready) continue;
      this.#sent++;
      return connection;
    }
    return undefined;
  }

  async #readTime(redis: Redis): Promise<void> {
    const startMs = this.#options.clock.now();
    const [seconds, micros] = await redis.time();
    this.#timeReadMs = this.#options.clock.now();
    this.#offsetMs = Number(seconds) * 1000 + Number(micros) / 1000 - (startMs + this.#timeReadMs) / 2;
  }

  /** Beside the work of the moment; when it fails, what was known goes on. */
  #refreshTime(nowMs: number): void {
    this.#timeReadMs = nowMs;
    this.sendTogether((redis) => this.#readTime(redis)).catch(() => {});
  }

  #watch({ lastError }: Connection): void {
    const reachable = this.#connections.some(({ ready }) => ready);
    if (this.#gate.closed || reachable === this.#reachable) return;
    this.#reachable = reachable;
    const { logger, target } = this.#options;
    if (reachable) logger.info({ redis: target.address }, 'Redis is connected');
    else logger.warn({ redis: target.address, reason: lastError }, 'Redis cannot be reached; trying again');
  }
}
