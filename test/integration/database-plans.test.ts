/** The three main queries at 200,000 predictions over several days are answered by an index alone. What they cost is in the benchmarks. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import type { CompiledQuery } from 'kysely';
import pg from 'pg';
import { postgresEngine } from '../../src/adapters/postgres/postgres-engine.ts';
import { frequentQuery, listQuery } from '../../src/adapters/sql/prediction-queries.ts';
import type { SqlEngine } from '../../src/adapters/sql/tables.ts';
import { sqliteEngine } from '../../src/adapters/sqlite/sqlite-engine.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { openDatabase } from '../../src/server-database.ts';
import { type PostgresServer, startPostgresServer, withoutPostgres } from './support/postgres-server.ts';
import { prediction, silentLogger } from './support/predictions.ts';
import { until } from './support/until.ts';

const rows = 200_000;
const days = 4;
const dayMs = 86_400_000;
const startMs = Date.now() - days * dayMs;

async function fill(url: string): Promise<void> {
  const database = await openDatabase({ url, clock: systemClock, logger: silentLogger });
  await database.migrate();
  for (let start = 0; start < rows; start += 5000) {
    const records = Array.from({ length: 5000 }, (_, offset) => {
      const index = start + offset;
      return prediction({
        createdMs: startMs + Math.floor((index / rows) * days * dayMs),
        model: `model-${index % 7}`,
        version: `${1 + (index % 2)}`,
        status: index % 40 === 0 ? 'OVERLOADED' : 'OK',
        inputKey: new Uint8Array(16).fill(index % 250),
      });
    });
    await database.predictions.insertMany(records);
  }
  await database.close();
}

/** Only their builders are used. */
const engines: Readonly<Record<'sqlite' | 'postgres', SqlEngine>> = {
  sqlite: sqliteEngine(undefined as never, undefined as never, Date.now),
  postgres: postgresEngine(undefined as never, Date.now),
};

/** Besides the main queries, what the indexes must not lose. */
function queriesOf(engine: SqlEngine): Readonly<Record<string, CompiledQuery<unknown>>> {
  const before = '01ffffff-0000-7000-8000-000000000000';
  const fromMs = startMs + dayMs;
  return {
    'the list of a model, newest first': listQuery(engine, { model: 'model-3' }, 100),
    'the next page of that list, of one version and time': listQuery(
      engine,
      { model: 'model-3', version: '1', fromMs, before },
      100,
    ),
    'the list of failures, newest first': listQuery(engine, { status: 'failed' }, 100),
    'the list of failures with one code': listQuery(engine, { status: 'OVERLOADED' }, 100),
    'the most frequent inputs': frequentQuery(engine, 'model-3', '2', fromMs, 100),
  };
}

describe('SQLite at 200,000 predictions', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hotpath-plans-'));
  let database: DatabaseSync;
  before(async () => {
    const file = join(folder, 'plans.db');
    await fill(`sqlite:${file}`);
    database = new DatabaseSync(file);
    database.exec('ANALYZE');
  });
  after(() => {
    database?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const explain = (query: CompiledQuery<unknown>) => {
    const steps = database
      .prepare(`EXPLAIN QUERY PLAN ${query.sql}`)
      .all(...(query.parameters as never[])) as unknown as { detail: string }[];
    return steps.map(({ detail }) => detail);
  };

  for (const [name, query] of Object.entries(queriesOf(engines.sqlite))) {
    it(`answers ${name} from a covering index`, () => {
      const steps = explain(query);
      const scans = steps.filter((step) => /^(SCAN|SEARCH)/.test(step));
      assert.equal(scans.length, 1, steps.join('\n'));
      assert.match(scans[0]!, /USING COVERING INDEX predictions_(model|failed)/);
      // A list comes out of the index in its order.
      if (name.includes('list')) assert.ok(!steps.some((step) => step.includes('ORDER BY')), steps.join('\n'));
    });
  }
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Heap Fetches'?: number;
  readonly Plans?: readonly PlanNode[];
}

function scansOf(node: PlanNode): readonly PlanNode[] {
  return [...(node['Relation Name'] === undefined ? [] : [node]), ...(node.Plans ?? []).flatMap(scansOf)];
}

describe('PostgreSQL at 200,000 predictions', { skip: withoutPostgres() }, () => {
  let server: PostgresServer;
  let client: pg.Client;
  /** Empty ones may be scanned in any way. */
  let filled: ReadonlySet<string>;
  before(async () => {
    server = await startPostgresServer();
    await fill(server.url);
    client = new pg.Client(server.url);
    await client.connect();
    // While anybody has an older snapshot, the server's own vacuum for one, pages stay that an index alone cannot answer for.
    await until(async () => {
      await client.query('VACUUM (ANALYZE) predictions');
      const pages = await client.query<{ hidden: number }>(
        "SELECT sum(relpages - relallvisible)::int AS hidden FROM pg_class WHERE relkind = 'r' AND relname LIKE 'predictions%'",
      );
      return pages.rows[0]!.hidden === 0;
    }, 60_000);
    const sizes = await client.query<{ name: string }>(
      "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relname LIKE 'predictions%' AND reltuples > 0",
    );
    filled = new Set(sizes.rows.map(({ name }) => name));
  });
  after(async () => {
    await client?.end();
    await server?.stop();
  });

  it('spreads them over a partition per day', () => {
    assert.ok(filled.size >= days && !filled.has('predictions_other'), [...filled].join());
  });

  for (const [name, query] of Object.entries(queriesOf(engines.postgres))) {
    it(`answers ${name} by index only scans of every partition`, async () => {
      const explained = await client.query(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${query.sql}`,
        query.parameters as unknown[],
      );
      const plan = explained.rows[0]['QUERY PLAN'][0].Plan as PlanNode;
      const scans = scansOf(plan).filter((scan) => filled.has(scan['Relation Name']!));
      assert.ok(scans.length >= days - 1, JSON.stringify(plan));
      for (const scan of scans) {
        assert.equal(scan['Node Type'], 'Index Only Scan', JSON.stringify(scan));
        assert.match(scan['Index Name']!, /_model_id_|_id_model_/);
        assert.equal(scan['Heap Fetches'], 0);
      }
    });
  }
});
