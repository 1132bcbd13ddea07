/**
 * What pools and indexes are worth: the same call with and without, in turns, in this process against real servers on this machine.
 * Medians in milliseconds.
 */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { Agent, request } from 'undici';
import { systemClock } from '../src/adapters/system-clock.ts';
import { openDatabase } from '../src/server-database.ts';
import { prediction, silentLogger } from '../test/integration/support/predictions.ts';
import { median } from './stats.ts';

const ROWS = 200_000;
const DAYS = 4;
const DAY_MS = 86_400_000;
const TURNS = 60;

export interface Factor {
  readonly what: string;
  readonly withMs: number;
  readonly withoutMs: number;
}

/** `url` of an empty PostgreSQL database. */
export async function measureFactors(url: string): Promise<readonly Factor[]> {
  await fill(url);
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  try {
    const plain = await pool.query('SELECT 1');
    if (plain.rowCount !== 1) throw new Error('PostgreSQL does not answer.');
    return [await pooledQuery(url, pool), await pooledHttp(), ...(await indexedQueries(pool))];
  } finally {
    await pool.end();
  }
}

async function fill(url: string): Promise<void> {
  const database = await openDatabase({ url, clock: systemClock, logger: silentLogger });
  await database.migrate();
  const startMs = Date.now() - DAYS * DAY_MS;
  for (let start = 0; start < ROWS; start += 5000) {
    const records = Array.from({ length: 5000 }, (_, offset) => {
      const index = start + offset;
      return prediction({
        createdMs: startMs + Math.floor((index / ROWS) * DAYS * DAY_MS),
        model: `model-${index % 7}`,
        status: index % 1000 === 0 ? 'ENGINE_FAILED' : 'OK',
        inputKey: new Uint8Array(16).fill(index % 250),
      });
    });
    await database.predictions.insertMany(records);
  }
  await database.close();
}

async function pooledQuery(url: string, pool: pg.Pool): Promise<Factor> {
  const sql = 'SELECT id FROM predictions ORDER BY id DESC LIMIT 1';
  return compare(
    'a query over a pooled connection, against one of its own',
    async () => void (await pool.query(sql)),
    async () => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(sql);
      await client.end();
    },
  );
}

async function pooledHttp(): Promise<Factor> {
  const server = http.createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const kept = new Agent({ connections: 4 });
  const ask = async (dispatcher: Agent): Promise<void> => {
    const { body } = await request(`http://127.0.0.1:${port}/`, { dispatcher });
    await body.dump();
  };
  try {
    return await compare(
      'an HTTP request over a kept connection, against one of its own',
      () => ask(kept),
      async () => {
        const own = new Agent();
        await ask(own);
        await own.close();
      },
    );
  } finally {
    await kept.close();
    server.close();
  }
}

/** The same rows in a table without any index stand for a schema without them. */
async function indexedQueries(pool: pg.Pool): Promise<Factor[]> {
  await pool.query('CREATE TABLE plain AS SELECT * FROM predictions');
  await pool.query('VACUUM ANALYZE predictions');
  await pool.query('VACUUM ANALYZE plain');
  const { rows } = await pool.query('SELECT id FROM plain OFFSET 100000 LIMIT 1');
  const queries: readonly (readonly [string, (table: string) => string])[] = [
    ['one prediction by id', (table) => `SELECT * FROM ${table} WHERE id = '${rows[0].id}'`],
    [
      'the newest failures',
      (table) => `SELECT id, model, status FROM ${table} WHERE status <> 'OK' ORDER BY id DESC LIMIT 50`,
    ],
    [
      'the newest of a model that has none',
      (table) => `SELECT id FROM ${table} WHERE model = 'absent' ORDER BY id DESC LIMIT 50`,
    ],
    [
      'the newest of a model',
      (table) => `SELECT id, status FROM ${table} WHERE model = 'model-3' ORDER BY id DESC LIMIT 50`,
    ],
  ];
  const factors: Factor[] = [];
  for (const [what, sql] of queries) {
    factors.push(
      await compare(
        `${what}, indexed, against a table without indexes`,
        async () => void (await pool.query(sql('predictions'))),
        async () => void (await pool.query(sql('plain'))),
      ),
    );
  }
  return factors;
}

async function compare(what: string, using: () => Promise<void>, without: () => Promise<void>): Promise<Factor> {
  const took: [number[], number[]] = [[], []];
  for (let turn = -3; turn < TURNS; turn++) {
    for (const [side, call] of [using, without].entries()) {
      const begunMs = performance.now();
      await call();
      // The first turns warm up.
      if (turn >= 0) took[side]!.push(performance.now() - begunMs);
    }
  }
  return { what, withMs: median(took[0]), withoutMs: median(took[1]) };
}
