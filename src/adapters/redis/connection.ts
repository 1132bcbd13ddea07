/**
 * One connection to Redis that is always there or on its way back. Made by connections.ts, and by invalidation-bus.ts for its
 * subscriber. It queues nothing while it is down, and what it throws shows neither arguments nor credentials.
 */
import { Redis, type RedisOptions } from 'ioredis';
import type { Clock, Random } from '../../ports/clock.ts';
import { behind, isTimeout, reasonOf, toRedisError, unreachable } from './errors.ts';

export interface ConnectionOptions {
  readonly target: RedisOptions;
  /** Longest wait for an answer, and for a connection. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Runs after each connecting; the connection is ready when it resolves, and made anew when it rejects. */
  begin(redis: Redis): Promise<void>;
  /** Ready or no longer ready, or a failure to become it. */
  onChange(connection: Connection): void;
}

/** Handshakes of TLS take longer than commands may. */
const minConnectTimeoutMs = 1000;
const minBackoffMs = 50;
/** With the time to connect it must stay below the 5 s in which service is back after Redis is. */
const maxBackoffMs = 2000;
/** Bytes not yet taken by the kernel. A stalled Redis must not fill the heap in the time until that is noticed. */
const maxUnsentBytes = 64 * 2 ** 20;

export class Connection {
  readonly #redis: Redis;
  readonly #options: ConnectionOptions;
  #ready = false;
  #failuresInRow = 0;
  #corked = false;
  /** Why the connection is about to close. */
  #broken: string | undefined;
  inFlight = 0;
  timeouts = 0;
  errors = 0;
  /** How often an open connection was lost. */
  lost = 0;
  lastError: string | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#redis = new Redis(driverOptions(options, () => this.#backoffMs()));
    this.#redis.on('ready', () => void this.#begin());
    this.#redis.on('close', () => this.#end());
    // Without a listener the driver prints to stderr.
    this.#redis.on('error', (error) => {
      this.#broken = reasonOf(error);
    });
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Runs commands on the driver at once; rejects at once while there is no connection. */
  send<Result>(start: (redis: Redis) => Promise<Result>): Promise<Result> {
    if (!this.#ready) return Promise.reject(unreachable());
    if (this.#redis.stream.writableLength > maxUnsentBytes) return Promise.reject(behind());
    const answer = start(this.#redis);
    this.inFlight++;
    return answer.then(this.#succeed<Result>, this.#fail);
  }

  /** As `send`, but all that is sent in this turn of the event loop goes out in one write. */
  sendTogether<Result>(start: (redis: Redis) => Promise<Result>): Promise<Result> {
    if (this.#ready && !this.#corked) this.#cork();
    return this.send(start);
  }

  /** Drops the connection, so that a new one is made. */
  renew(): void {
    this.#redis.disconnect(true);
  }

  /** Nothing may be in flight that anybody waits for. Resolves when the socket is gone. */
  async close(): Promise<void> {
    const { stream } = this.#redis;
    this.#redis.disconnect();
    if (stream === undefined || stream.closed) return;
    await new Promise((resolve) => stream.once('close', resolve).destroy());
  }

  #cork(): void {
    const { stream } = this.#redis;
    stream.cork();
    this.#corked = true;
    this.#options.clock.defer(() => {
      this.#corked = false;
      stream.uncork();
    });
  }

  async #begin(): Promise<void> {
    try {
      await this.#options.begin(this.#redis);
      // It may have been lost again while it began.
      if (this.#redis.status !== 'ready') return;
      this.#ready = true;
      this.#failuresInRow = 0;
      this.#options.onChange(this);
    } catch (error) {
      this.#broken = reasonOf(error);
      if (this.#redis.status === 'ready') this.renew();
    }
  }

  #end(): void {
    if (this.#ready) this.lost++;
    this.lastError = this.#broken ?? (this.#ready ? 'connection lost' : this.lastError);
    this.#broken = undefined;
    this.#ready = false;
    this.#options.onChange(this);
  }

  /** Jittered, so that many processes do not come back at once. */
  #backoffMs(): number {
    const cap = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(this.#failuresInRow++, 10));
    return cap * (0.5 + this.#options.random() / 2);
  }

  readonly #succeed = <Result>(result: Result): Result => {
    this.inFlight--;
    return result;
  };

  readonly #fail = (error: unknown): never => {
    this.inFlight--;
    this.errors++;
    if (isTimeout(error)) this.timeouts++;
    this.lastError = reasonOf(error);
    throw toRedisError(error);
  };
}

function driverOptions({ target, timeoutMs }: ConnectionOptions, backoffMs: () => number) {
  return {
    ...target,
    replyMapping: 'legacy' as const,
    noDelay: true,
    connectTimeout: Math.max(timeoutMs, minConnectTimeoutMs),
    commandTimeout: timeoutMs,
    // Of a Redis that stands still only this gets rid; until then each command waits for its timeout.
    socketTimeout: 2 * timeoutMs,
    disconnectTimeout: 50,
    // While Redis reads its data from disk, it is asked again this often.
    maxLoadingRetryTime: 500,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    retryStrategy: backoffMs,
    // A replica after a failover: the name leads to the new primary by now.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions;
}
