/** What was acknowledged as stored is there after kill -9 of the process, and of the PostgreSQL server. Schemas are made once. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { openDatabase } from '../../src/server-database.ts';
import { type PostgresServer, startPostgresServer, withoutPostgres } from './support/postgres-server.ts';
import { silentLogger } from './support/predictions.ts';

const script = fileURLToPath(new URL('./support/database-child.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hotpath-durable-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const random = seededRandom(20261121);

interface Inserting {
  readonly child: ChildProcess;
  readonly output: () => string;
}

function startChild(...args: string[]): Inserting {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return { child, output: () => text };
}

/** Lets a process insert, does the worst at a random point, and returns the ids that were acknowledged. */
async function acknowledged(
  url: string,
  model: string,
  strike: (child: ChildProcess) => unknown,
): Promise<readonly string[]> {
  const { child, output } = startChild(url, 'insert', model);
  const strikeAfter = 1 + Math.floor(random() * 60_000);
  let struck: unknown;
  child.stdout!.on('data', () => {
    if (struck === undefined && output().length > strikeAfter) struck = strike(child);
  });
  await once(child, 'close');
  await struck;
  assert.notEqual(struck, undefined, 'the process ended by itself');
  // The last line may have been cut off by the kill.
  return output().split('\n').slice(0, -1);
}

async function storedIds(url: string, model: string): Promise<ReadonlySet<string>> {
  const database = await openDatabase({ url, clock: systemClock, logger: silentLogger });
  const stored = await database.predictions.list({ model }, 1_000_000);
  await database.close();
  return new Set(stored.map(({ id }) => id));
}

async function assertKept(url: string, model: string, ids: readonly string[]): Promise<void> {
  assert.ok(ids.length > 0);
  const stored = await storedIds(url, model);
  assert.deepEqual(
    ids.filter((id) => !stored.has(id)),
    [],
  );
}

async function migrate(url: string): Promise<void> {
  const database = await openDatabase({ url, clock: systemClock, logger: silentLogger });
  await database.migrate();
  await database.close();
}

async function migrateAtOnce(url: string): Promise<void> {
  const children = Array.from({ length: 3 }, () => startChild(url, 'migrate'));
  const codes = await Promise.all(children.map(async ({ child }) => (await once(child, 'close'))[0]));
  assert.deepEqual(codes, [0, 0, 0]);
  const applied = children.flatMap(({ output }) => JSON.parse(output()) as string[]);
  assert.deepEqual(applied, ['001-predictions', '002-cache', '003-access']);
}

describe('SQLite', () => {
  it('is migrated once by processes that start together', () => migrateAtOnce(`sqlite:${join(folder, 'fresh.db')}`));

  it('keeps what was acknowledged when its process is killed, round after round', async () => {
    const file = join(folder, 'killed.db');
    const url = `sqlite:${file}`;
    await migrate(url);
    for (let round = 0; round < 5; round++) {
      const ids = await acknowledged(url, `round-${round}`, (child) => child.kill('SIGKILL'));
      await assertKept(url, `round-${round}`, ids);
    }
    const database = new DatabaseSync(file);
    assert.deepEqual({ ...database.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' });
    database.close();
  });

  it('keeps what two processes were acknowledged at the same time', async () => {
    const url = `sqlite:${join(folder, 'shared.db')}`;
    await migrate(url);
    const kill = (child: ChildProcess) => child.kill('SIGKILL');
    const both = await Promise.all(['left', 'right'].map((model) => acknowledged(url, model, kill)));
    await assertKept(url, 'left', both[0]!);
    await assertKept(url, 'right', both[1]!);
  });
});

describe('PostgreSQL', { skip: withoutPostgres() }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgresServer({ durable: true });
  });
  after(() => server?.stop());

  it('is migrated once by processes that start together', () => migrateAtOnce(server.url));

  it('keeps what was acknowledged when the process that writes is killed', async () => {
    for (let round = 0; round < 3; round++) {
      const ids = await acknowledged(server.url, `client-${round}`, (child) => child.kill('SIGKILL'));
      await assertKept(server.url, `client-${round}`, ids);
    }
  });

  it('keeps what was acknowledged when the server is killed', async () => {
    for (let round = 0; round < 3; round++) {
      const ids = await acknowledged(server.url, `server-${round}`, () => server.kill());
      await server.start();
      await assertKept(server.url, `server-${round}`, ids);
    }
  });
});
