import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { freePort } from '../../src/cli/free-port.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import { createStyle } from '../../src/cli/terminal.ts';
import { openDatabase } from '../../src/server-database.ts';
import {
  type PostgresServer,
  postgresPassword,
  startPostgresServer,
  withoutPostgres,
} from './support/postgres-server.ts';
import { prediction, silentLogger } from './support/predictions.ts';

const dayMs = 86_400_000;
const folder = mkdtempSync(join(tmpdir(), 'hotpath-db-cli-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function hotpath(args: readonly string[], env: Record<string, string> = {}) {
  const lines = { out: [] as string[], err: [] as string[] };
  const terminal = {
    out: (text: string) => void lines.out.push(text),
    err: (text: string) => void lines.err.push(text),
    style: createStyle(false),
  };
  const code = await runCli(args, { terminal, env });
  return { code, out: lines.out.join('\n'), err: lines.err.join('\n') };
}

function commandsOn(name: string, engine: string, urlOf: () => string): void {
  describe(`hotpath db on ${name}`, () => {
    it('shows what is pending, migrates once, stores its state and prunes by age', async () => {
      const url = urlOf();
      const flag = `--database-url=${url}`;
      const first = await hotpath(['db', 'status', flag]);
      assert.match(
        first.out,
        /pending +001-predictions, 002-cache, 003-access\nMigrations are pending: run `hotpath db migrate`/,
      );
      const early = await hotpath(['db', 'prune', flag]);
      assert.deepEqual([early.code, early.out], [1, '']);
      assert.match(early.err, /^hotpath: Migrations are pending \(001-predictions.*run `hotpath db migrate`/);
      assert.match((await hotpath(['db', 'migrate', flag])).out, /^Applied 001-predictions, 002-cache, 003-access\.$/);
      assert.deepEqual(JSON.parse((await hotpath(['db', 'migrate', flag, '--json'])).out), { applied: [] });

      const database = await openDatabase({ url, clock: systemClock, logger: silentLogger });
      const createdMs = Date.now() - 10 * dayMs;
      await database.predictions.insertMany([
        prediction({ createdMs }),
        prediction({ createdMs: createdMs + 1 }),
        prediction(),
      ]);
      const status = JSON.parse((await hotpath(['db', 'status', '--json'], { HOTPATH_DATABASE_URL: url })).out);
      assert.deepEqual(
        [status.engine, status.predictions, status.oldestMs, status.pending],
        [engine, 3, createdMs, []],
      );
      assert.match(
        (await hotpath(['db', 'status', flag])).out,
        new RegExp(`oldest +${new Date(createdMs).toISOString()}`),
      );
      assert.equal((await hotpath(['db', 'prune', flag, '--older-than', '12d'])).out, 'Deleted 0 predictions.');
      assert.equal((await hotpath(['db', 'prune', '--older-than=48h', flag])).out, 'Deleted 2 predictions.');
      assert.deepEqual(
        (await database.audit.list(1)).map(({ caller, action }) => [caller, action]),
        [['cli', 'db.prune']],
      );
      await database.close();
    });
  });
}

commandsOn('SQLite', 'sqlite', () => `sqlite:${join(folder, 'deep', 'er', 'cli.db')}`);
describe('PostgreSQL', { skip: withoutPostgres() }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgresServer();
  });
  after(() => server?.stop());
  commandsOn('PostgreSQL', 'postgres', () => server.url);

  it('prints where it is, not who goes there', async () => {
    const { out } = await hotpath(['db', 'status', `--database-url=${server.url}`]);
    assert.match(out, new RegExp(`database +127.0.0.1:${server.port}/postgres`));
    assert.doesNotMatch(out, new RegExp(postgresPassword));
  });

  it('says so when the password or the database is wrong', async () => {
    const wrong = await hotpath([
      'db',
      'status',
      `--database-url=${server.url.replace(postgresPassword, 'guess-1234')}`,
    ]);
    assert.deepEqual([wrong.code, wrong.err], [1, 'hotpath: The database refused the user or the password.']);
    const absent = await hotpath(['db', 'status', `--database-url=${server.url.replace(/postgres$/, 'nowhere')}`]);
    assert.deepEqual([absent.code, absent.err], [1, 'hotpath: The database server has no database of this name.']);
  });
});

describe('hotpath db', () => {
  it('says in a sentence that a server cannot be reached, without the password', async () => {
    const port = await freePort();
    const { code, err } = await hotpath([
      'db',
      'migrate',
      `--database-url=postgres://me:${postgresPassword}@127.0.0.1:${port}/x`,
    ]);
    assert.deepEqual([code, err], [1, `hotpath: The database 127.0.0.1:${port}/x cannot be reached (ECONNREFUSED).`]);
  });

  const garbage = [
    '',
    'mysql://h/x',
    'postgres',
    'sqlite:',
    'sqlite://host/x',
    `postgres://u:${postgresPassword}@h:port/x`,
    `postgres://u:${postgresPassword}@h:99999/x`,
  ];
  for (const url of garbage) {
    it(`refuses the URL "${url.replace(postgresPassword, '***')}"`, async () => {
      const { code, err } = await hotpath(['db', 'status', '--database-url', url]);
      assert.equal(code, 1);
      assert.match(err, /^hotpath: databaseUrl must be /);
      assert.doesNotMatch(err, new RegExp(postgresPassword));
    });
  }

  it('refuses a file that is no database, and leaves it as it is', async () => {
    const file = join(folder, 'notes.txt');
    const text = 'these are notes, and have been for a long time. '.repeat(50);
    writeFileSync(file, text);
    const { code, err } = await hotpath(['db', 'migrate', `--database-url=sqlite:${file}`]);
    assert.deepEqual([code, err], [1, 'hotpath: The database file is no SQLite database.']);
    assert.equal(readFileSync(file, 'utf8'), text);
  });

  it('is used wrongly without an action, with an age that is none, or with settings nobody knows', async () => {
    for (const args of [
      ['db'],
      ['db', 'drop'],
      ['db', 'prune', '--older-than', 'soon'],
      ['db', 'prune', '--older-than'],
      ['db', 'status', '--older-than=3d'],
      ['db', 'status', '--nonsense'],
      ['db', 'prune', '--prediction-retention-days=0', '--database-url=sqlite::memory:'],
    ]) {
      const { code, err } = await hotpath(args);
      assert.equal(code, 2, `${args.join(' ')}: ${err}`);
      assert.match(err, /^hotpath: /);
    }
  });
});
