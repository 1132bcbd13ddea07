/**
 * The connections to one origin: bounded, kept alive, one request at a time on each, made only to checked addresses. Made by
 * http-client.ts; shows itself as every pool does.
 */
import { DecoratorHandler, type Dispatcher, Pool as UndiciPool } from 'undici';
import type { Clock } from '../../ports/clock.ts';
import type { Pool, PoolStatus } from '../../ports/pool-status.ts';
import { checkedLookup, type ResolveName } from './checked-lookup.ts';
import type { HostPolicy } from './host-policy.ts';

/** Longest time to connect, TLS included. */
const connectTimeoutMs = 2000;
const keepAliveMs = 30_000;

export interface OriginPoolOptions {
  readonly policy: HostPolicy;
  readonly clock: Clock;
  readonly connections: number;
  readonly maxResponseBytes: number;
  readonly resolve?: ResolveName | undefined;
}

export class OriginPool implements Pool {
  readonly origin: string;
  readonly #pool: UndiciPool;
  readonly #sending: Dispatcher;
  readonly #maxSize: number;
  readonly #counts = { acquired: 0, waitedMs: 0, timeouts: 0, recycled: 0, errors: 0 };
  #lastError: string | undefined;
  #closed: Promise<void> | undefined;

  constructor(url: URL, { policy, clock, connections, maxResponseBytes, resolve }: OriginPoolOptions) {
    this.origin = url.origin;
    this.#maxSize = connections;
    const lookup = checkedLookup({ clock, resolve, check: (address) => policy.checkAddress(url, address) });
    this.#pool = new UndiciPool(url.origin, {
      connections,
      pipelining: 1,
      // Without HTTP/2, whose streams would not be counted as connections.
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      maxResponseSize: maxResponseBytes,
      connect: { lookup, timeout: connectTimeoutMs },
    });
    this.#pool.on('disconnect', () => {
      this.#counts.recycled++;
    });
    this.#sending = this.#pool.compose((dispatch) => (options, handler) => {
      const began = clock.now();
      const sent = (): void => {
        this.#counts.acquired++;
        this.#counts.waitedMs += clock.now() - began;
      };
      return dispatch(options, new StartWatch(handler, sent));
    });
  }

  /** A GET of a path with its query, on this origin. Rejects as undici does. */
  async get(path: string, headers: Record<string, string>, timeoutMs: number, signal: AbortSignal): Promise<Answer> {
    try {
      return await this.#sending.request({
        origin: this.origin,
        method: 'GET',
        path,
        headers,
        signal,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
    } catch (error) {
      this.failed(error, signal.aborted);
      throw error;
    }
  }

  /** Also for answers that ended badly while they were read. */
  failed(error: unknown, timedOut: boolean): void {
    this.#counts.errors++;
    if (timedOut) this.#counts.timeouts++;
    this.#lastError = timedOut ? 'It did not answer in time.' : error instanceof Error ? error.message : String(error);
  }

  status(): PoolStatus {
    const { connected, free, queued, running } = this.#pool.stats;
    return {
      kind: 'http',
      name: `features ${this.origin}`,
      size: connected,
      maxSize: this.#maxSize,
      inUse: Math.min(running, connected),
      idle: free,
      waiting: queued,
      ...this.#counts,
      lastError: this.#lastError,
      breaker: undefined,
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#pool.close();
    return this.#closed;
  }
}

export type Answer = Dispatcher.ResponseData;

/** Tells when a request got its connection. */
class StartWatch extends DecoratorHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #sent: () => void;

  constructor(handler: Dispatcher.DispatchHandler, sent: () => void) {
    super(handler);
    this.#handler = handler;
    this.#sent = sent;
  }

  onRequestStart(...args: Parameters<NonNullable<Dispatcher.DispatchHandler['onRequestStart']>>): void {
    this.#sent();
    this.#handler.onRequestStart?.(...args);
  }
}
