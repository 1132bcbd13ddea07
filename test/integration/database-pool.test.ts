/** The pool of connections to PostgreSQL, against a real server that is slow, full, killed and comes back. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { ConnectionPool } from '../../src/adapters/postgres/connection-pool.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { openDatabase } from '../../src/server-database.ts';
import {
  type PostgresServer,
  postgresPassword,
  startPostgresServer,
  withoutPostgres,
} from './support/postgres-server.ts';
import { prediction, silentLogger } from './support/predictions.ts';
import { until } from './support/until.ts';

/** Time that also passes when it is told to. */
function skippingClock(): Clock & { skip(ms: number): void } {
  let skippedMs = 0;
  return {
    ...systemClock,
    now: () => systemClock.now() + skippedMs,
    skip: (ms) => {
      skippedMs += ms;
    },
  };
}

/** A promise and who settles it. */
function gate() {
  return Promise.withResolvers<void>();
}

describe('the pool of connections to PostgreSQL', { skip: withoutPostgres() }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgresServer();
  });
  after(() => server?.stop());

  function makePool(changes: Partial<ConstructorParameters<typeof ConnectionPool>[0]> = {}): ConnectionPool {
    return new ConnectionPool({
      url: server.url,
      place: `127.0.0.1:${server.port}/postgres`,
      size: 2,
      overflow: 1,
      waitTimeoutMs: 2000,
      recycleMs: 0,
      statementTimeoutMs: 5000,
      clock: systemClock,
      random: () => 0.5,
      logger: silentLogger,
      ...changes,
    });
  }
  const backendOf = async (pool: ConnectionPool) =>
    Number((await pool.use((client) => client.query('SELECT pg_backend_pid() AS pid'))).rows[0].pid);

  it('opens up to size and overflow, lets others wait, and keeps only size', async () => {
    const pool = makePool();
    const { promise: opened, resolve: open } = gate();
    const lent = Array.from({ length: 5 }, () => pool.use(() => opened));
    await until(() => pool.status().inUse === 3);
    const busy = pool.status();
    assert.deepEqual([busy.size, busy.maxSize, busy.idle, busy.waiting], [3, 3, 0, 2]);
    open();
    await Promise.all(lent);
    await until(() => pool.status().size === 2);
    const rested = pool.status();
    assert.deepEqual([rested.inUse, rested.idle, rested.waiting, rested.acquired], [0, 2, 0, 5]);
    assert.ok(rested.waitedMs > 0);
    await pool.close();
    assert.equal(pool.status().size, 0);
  });

  it('refuses with a sentence who waited too long, and serves the next', async () => {
    const pool = makePool({ size: 1, overflow: 0, waitTimeoutMs: 150 });
    const { promise: opened, resolve: open } = gate();
    const lent = pool.use(() => opened);
    await until(() => pool.status().inUse === 1);
    await assert.rejects(backendOf(pool), {
      code: 'OVERLOADED',
      message: 'All 1 connections to the database were in use for 150 ms.',
    });
    assert.equal(pool.status().timeouts, 1);
    open();
    await lent;
    assert.ok((await backendOf(pool)) > 0);
    await pool.close();
  });

  it('replaces a connection by its age, give or take', async () => {
    const clock = skippingClock();
    const pool = makePool({ size: 1, overflow: 0, recycleMs: 600_000, clock, random: () => 0 });
    const first = await backendOf(pool);
    clock.skip(530_000);
    assert.equal(await backendOf(pool), first);
    clock.skip(10_500);
    const second = await backendOf(pool);
    assert.notEqual(second, first);
    assert.equal(await backendOf(pool), second);
    assert.equal(pool.status().recycled, 1);
    await pool.close();
  });

  it('asks a connection that rested whether it lives, and takes another if not', async () => {
    const clock = skippingClock();
    const pool = makePool({ size: 1, overflow: 0, clock });
    const first = await backendOf(pool);
    clock.skip(6000);
    assert.equal(await backendOf(pool), first);
    // Stopped, not ended: like a firewall that drops what it forgot.
    process.kill(first, 'SIGSTOP');
    try {
      clock.skip(6000);
      assert.notEqual(await backendOf(pool), first);
      assert.equal(pool.status().recycled, 1);
    } finally {
      process.kill(first, 'SIGCONT');
    }
    await pool.close();
  });

  it('gives up a server that stopped answering, and its connection', async () => {
    const pool = makePool({ size: 1, overflow: 0 });
    const backend = await backendOf(pool);
    process.kill(backend, 'SIGSTOP');
    try {
      const query = pool.use((client) => client.query('SELECT 1'), 200);
      await assert.rejects(query, { code: 'DEADLINE_EXCEEDED', message: 'The database did not answer within 200 ms.' });
    } finally {
      process.kill(backend, 'SIGCONT');
    }
    assert.notEqual(await backendOf(pool), backend);
    await pool.close();
  });

  it('lets no statement of ours run for ever', async () => {
    const pool = makePool({ statementTimeoutMs: 100 });
    await assert.rejects(
      pool.use((client) => client.query('SELECT pg_sleep(60)')),
      { code: 'DEADLINE_EXCEEDED' },
    );
    assert.equal(pool.status().recycled, 0);
    await pool.close();
  });

  it('survives sessions that the server ends, at rest and at work', async () => {
    const pool = makePool();
    const admin = new pg.Client(server.url);
    await admin.connect();
    const resting = await backendOf(pool);
    await admin.query('SELECT pg_terminate_backend($1)', [resting]);
    await until(() => pool.status().errors > 0);
    assert.notEqual(await backendOf(pool), resting);
    const working = assert.rejects(
      pool.use((client) => client.query('SELECT pg_sleep(60)')),
      { code: 'OVERLOADED' },
    );
    await until(async () => {
      const sleeping = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'";
      return (await admin.query(sleeping)).rowCount === 1;
    });
    await working;
    assert.ok((await backendOf(pool)) > 0);
    await admin.end();
    await pool.close();
  });

  it('survives that a session ends while its borrower does something else', async () => {
    const pool = makePool();
    const admin = new pg.Client(server.url);
    await admin.connect();
    const borrowing = pool.use(async (client) => {
      const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
      // Not `once` of node:events, which would reject with the error that comes first.
      const ended = new Promise<void>((resolve) => client.once('end', resolve));
      await admin.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
      await ended;
      await client.query('SELECT 1');
    });
    await assert.rejects(borrowing, { code: 'OVERLOADED' });
    assert.ok((await backendOf(pool)) > 0);
    await admin.end();
    await pool.close();
  });

  it('serves those who wait before it closes, and refuses those who come then', async () => {
    const pool = makePool({ size: 1, overflow: 0 });
    const queries = Array.from({ length: 10 }, () => backendOf(pool));
    const closed = Promise.all([pool.close(), pool.close()]);
    await assert.rejects(backendOf(pool), { code: 'SHUTTING_DOWN' });
    assert.equal(new Set(await Promise.all(queries)).size, 1);
    await closed;
  });

  it('finds a server that was killed and came back, without a restart of ours, and tells no password', async () => {
    await using killed = await startPostgresServer();
    const lines: string[] = [];
    const note = (fields: object, message: string) => void lines.push(JSON.stringify(fields) + message);
    const logger = { debug: note, info: note, warn: note, error: note };
    const database = await openDatabase({ url: killed.url, clock: systemClock, logger });
    await database.migrate();
    await database.predictions.insertMany([prediction()]);
    await killed.kill();
    const lost = prediction();
    const place = `127.0.0.1:${killed.port}/postgres`;
    await assert.rejects(database.predictions.insertMany([lost]), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'OVERLOADED');
      assert.ok(error.message.startsWith(`The database ${place} cannot be reached`), error.message);
      assert.doesNotMatch(`${error.message}${error.stack}`, new RegExp(postgresPassword));
      return true;
    });
    await killed.start();
    await database.predictions.insertMany([lost]);
    assert.deepEqual(await database.predictions.find(lost.id), lost);
    const status = JSON.stringify(database.status());
    assert.match(status, new RegExp(place));
    assert.ok(database.status().errors > 0);
    assert.doesNotMatch(status + lines.join(), new RegExp(postgresPassword));
    await database.close();
  });
});
