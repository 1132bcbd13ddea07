/**
 * Connections to one PostgreSQL server, over pg's own pool: what that one lacks is added here. Kept and overflow connections, a bounded
 * wait with a clear error, replacement by age with jitter, a ping for those that rested, and counts of it all. Owned by
 * postgres-database.ts. A connection that failed is never given out again; a server that comes back is found by the next call.
 */
import pg from 'pg';
import { HotpathError } from '../../core/errors.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Pool, PoolStatus } from '../../ports/pool-status.ts';
import { fromPostgres, isConnectionLost } from './postgres-errors.ts';

export interface ConnectionPoolOptions {
  readonly url: string;
  /** Without credentials. */
  readonly place: string;
  readonly size: number;
  readonly overflow: number;
  readonly waitTimeoutMs: number;
  /** 0: never. */
  readonly recycleMs: number;
  readonly statementTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A connection that rested this long may lead through a firewall that has forgotten it. */
const pingAfterMs = 5000;
const pingTimeoutMs = 1000;
/** What a server that stopped answering gets beyond its own statement timeout. */
const graceMs = 5000;
const bigintType = 20;
const bytesType = 17;
const readBytes = pg.types.getTypeParser(bytesType, 'text') as (text: string) => Uint8Array;

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    // Ours are counts and times; those of operators may be anything.
    if (oid === bigintType) return exactInteger;
    // A copy: small buffers of Node share memory, and what a cache keeps would keep all of it.
    if (oid === bytesType) return (text: string) => new Uint8Array(readBytes(text));
    return pg.types.getTypeParser(oid, format as 'text');
  },
};

/** A number where that is exact. */
function exactInteger(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

interface ConnectionAge {
  readonly expiresAt: number;
  restingSince: number;
}

export class ConnectionPool implements Pool {
  readonly #options: ConnectionPoolOptions;
  readonly #pool: pg.Pool;
  readonly #ages = new WeakMap<pg.PoolClient, ConnectionAge>();
  readonly #watched = new WeakSet<pg.PoolClient>();
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;
  /** Callers with a connection or waiting for one. */
  #callers = 0;
  #inUse = 0;
  #acquired = 0;
  #waitedMs = 0;
  #timeouts = 0;
  #recycled = 0;
  #errors = 0;
  #lastError: string | undefined;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
    this.#pool = new pg.Pool({
      connectionString: options.url,
      max: options.size + options.overflow,
      connectionTimeoutMillis: options.waitTimeoutMs,
      // Connections are kept: making one costs the server a process.
      idleTimeoutMillis: 0,
      statement_timeout: options.statementTimeoutMs,
      idle_in_transaction_session_timeout: options.statementTimeoutMs,
      application_name: 'hotpath',
      keepAlive: true,
      types,
    });
    // The server went away under a connection at rest: the pool has dropped it already.
    this.#pool.on('error', (error) => this.#fail(error));
    this.#pool.on('connect', (client) => this.#adopt(client));
  }

  /**
   * Lends a connection to `work`. What it throws leaves as a HotpathError.
   * @param limitMs after which the server is given up and the connection closed. @default the statement timeout and some grace
   */
  async use<T>(
    work: (client: pg.PoolClient) => Promise<T>,
    limitMs = this.#options.statementTimeoutMs + graceMs,
  ): Promise<T> {
    if (this.#closing !== undefined) throw new HotpathError('SHUTTING_DOWN', 'The database is closed.');
    this.#callers++;
    try {
      return await this.#lend(await this.#take(), work, limitMs);
    } finally {
      this.#callers--;
      if (this.#callers === 0) this.#onIdle?.();
    }
  }

  status(): PoolStatus {
    const { size, overflow, place } = this.#options;
    return {
      kind: 'postgres',
      name: `database ${place}`,
      size: this.#pool.totalCount,
      maxSize: size + overflow,
      inUse: this.#inUse,
      idle: this.#pool.idleCount,
      waiting: this.#pool.waitingCount,
      acquired: this.#acquired,
      waitedMs: this.#waitedMs,
      timeouts: this.#timeouts,
      recycled: this.#recycled,
      errors: this.#errors,
      lastError: this.#lastError,
      breaker: undefined,
    };
  }

  /** Serves the callers it has, those that wait too. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    if (this.#callers > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#pool.end();
  }

  async #lend<T>(client: pg.PoolClient, work: (client: pg.PoolClient) => Promise<T>, limitMs: number): Promise<T> {
    const { clock, place } = this.#options;
    let hung = false;
    let lost = false;
    const timer = clock.after(limitMs, () => {
      hung = true;
      // With a query in progress this closes the socket, and the query rejects.
      void client.end().catch(() => {});
    });
    try {
      return await work(client);
    } catch (error) {
      lost = isConnectionLost(error);
      this.#fail(error);
      if (!hung) throw fromPostgres(error, place);
      throw new HotpathError('DEADLINE_EXCEEDED', `The database did not answer within ${limitMs} ms.`, undefined, {
        cause: error,
      });
    } finally {
      clock.clear(timer);
      this.#giveBack(client, hung || lost);
    }
  }

  #adopt(client: pg.PoolClient): void {
    const { recycleMs, clock, random } = this.#options;
    const now = clock.now();
    // Not all on the same tick: they were made together, after a start.
    const lifeMs = recycleMs === 0 ? Number.POSITIVE_INFINITY : recycleMs * (0.9 + 0.2 * random());
    this.#ages.set(client, { expiresAt: now + lifeMs, restingSince: now });
    if (this.#watched.has(client)) return;
    this.#watched.add(client);
    // While it is lent the pool does not listen, and an error nobody listens to ends the process.
    client.on('error', () => {});
  }

  async #take(): Promise<pg.PoolClient> {
    const { clock } = this.#options;
    const startedAt = clock.now();
    for (;;) {
      const client = await this.#connect(startedAt);
      if (await this.#isUsable(client)) {
        this.#acquired++;
        this.#waitedMs += clock.now() - startedAt;
        this.#inUse++;
        return client;
      }
      this.#recycled++;
      client.release(true);
    }
  }

  async #connect(startedAt: number): Promise<pg.PoolClient> {
    const { size, overflow, waitTimeoutMs, place, clock } = this.#options;
    try {
      return await this.#pool.connect();
    } catch (error) {
      this.#fail(error);
      if (!/timeout/.test((error as Error).message) || clock.now() - startedAt < waitTimeoutMs * 0.9) {
        throw fromPostgres(error, place);
      }
      this.#timeouts++;
      const text =
        this.#inUse >= size + overflow
          ? `All ${size + overflow} connections to the database were in use for ${waitTimeoutMs} ms.`
          : `The database ${place} accepted no connection within ${waitTimeoutMs} ms.`;
      throw new HotpathError('OVERLOADED', text, { retryAfterSeconds: 1 }, { cause: error });
    }
  }

  async #isUsable(client: pg.PoolClient): Promise<boolean> {
    const { clock } = this.#options;
    const age = this.#ages.get(client)!;
    const now = clock.now();
    if (now >= age.expiresAt) return false;
    if (now - age.restingSince < pingAfterMs) return true;
    const timer = clock.after(pingTimeoutMs, () => void client.end().catch(() => {}));
    try {
      await client.query('SELECT 1');
      return true;
    } catch {
      return false;
    } finally {
      clock.clear(timer);
    }
  }

  #giveBack(client: pg.PoolClient, broken: boolean): void {
    const age = this.#ages.get(client)!;
    const now = this.#options.clock.now();
    const isOld = now >= age.expiresAt;
    // Not while somebody waits for it: another would be made for them.
    const isOverflow = this.#pool.totalCount > this.#options.size && this.#pool.waitingCount === 0;
    this.#inUse--;
    age.restingSince = now;
    if (broken || isOld) this.#recycled++;
    client.release(broken || isOld || isOverflow);
  }

  #fail(error: unknown): void {
    const { message, cause } = fromPostgres(error, this.#options.place);
    this.#errors++;
    if (message !== this.#lastError) this.#options.logger.warn({ err: cause }, message);
    this.#lastError = message;
  }
}

/** All or nothing, on a connection that was lent. @param begin with the settings of the transaction. */
export async function inTransaction<T>(client: pg.PoolClient, begin: string, work: () => Promise<T>): Promise<T> {
  await client.query(begin);
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // A connection that cannot even go back must not be lent again.
    await client.query('ROLLBACK').catch(() => client.end());
    throw error;
  }
}
