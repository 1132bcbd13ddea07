import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { systemClock } from '../../src/adapters/system-clock.ts';
import type { CacheStore } from '../../src/ports/cache-store.ts';
import { openDatabase } from '../../src/server-database.ts';
import { cacheStoreContract } from './support/cache-store-contract.ts';
import { type PostgresServer, startPostgresServer, withoutPostgres } from './support/postgres-server.ts';
import { databaseContract } from './support/prediction-store-contract.ts';
import { silentLogger } from './support/predictions.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-contract-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const open = (url: string) => openDatabase({ url, clock: systemClock, logger: silentLogger, poolTimeoutMs: 20_000 });

/** A cache of its own database: its close closes all. */
async function openCache(url: string): Promise<CacheStore> {
  const database = await open(url);
  await database.migrate();
  const { cache } = database;
  return {
    tier: cache.tier,
    getMany: (keys) => cache.getMany(keys),
    setMany: (entries) => cache.setMany(entries),
    deletePrefix: (prefix) => cache.deletePrefix(prefix),
    close: () => database.close(),
  };
}

const file = `sqlite:${join(folder, 'contract.db')}`;
databaseContract({ name: 'SQLite', engine: 'sqlite', open: () => open(file) });
cacheStoreContract({
  name: 'SQLite',
  tier: 'database',
  open: () => openCache(`sqlite:${join(folder, 'cache.db')}`),
});

const skip = withoutPostgres();
describe('PostgreSQL', { skip }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgresServer();
  });
  after(() => server?.stop());
  databaseContract({ name: 'PostgreSQL', engine: 'postgres', open: () => open(server.url) });
  cacheStoreContract({ name: 'PostgreSQL', tier: 'database', open: () => openCache(server.url) });
});
