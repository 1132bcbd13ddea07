/** The contract of feature sources over every adapter: HTTP one by one and in batches, Redis, SQLite, PostgreSQL. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { HostPolicy } from '../../src/adapters/http/host-policy.ts';
import { HttpClient } from '../../src/adapters/http/http-client.ts';
import { httpFeatures } from '../../src/adapters/http/http-features.ts';
import { openDatabase as openPostgres } from '../../src/adapters/postgres/postgres-database.ts';
import { openDatabase as openSqlite } from '../../src/adapters/sqlite/sqlite-database.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { redisFeatures } from '../../src/core/features/redis-features.ts';
import { sqlFeatures } from '../../src/core/features/sql-features.ts';
import type { FeaturesConfig } from '../../src/ports/feature-source.ts';
import type { Logger } from '../../src/ports/logger.ts';
import { type FeatureWorld, featureSourceContract, type StoredFeatures } from './support/feature-source-contract.ts';
import { startPostgresServer, withoutPostgres } from './support/postgres-server.ts';
import { connected, linkTo } from './support/redis-link.ts';
import { startRedisServer, withoutRedis } from './support/redis-server.ts';

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const timeoutMs = 2000;

async function openHttp(paths: Pick<FeaturesConfig, 'key' | 'batchKey'>): Promise<FeatureWorld> {
  const stored = new Map<string, StoredFeatures>();
  const make = () =>
    createServer((request, response) => {
      const names = request.url!.slice('/x/'.length).split(',').map(decodeURIComponent);
      const found = names.flatMap((name) => (stored.has(name) ? [[name, stored.get(name)]] : []));
      const many = request.url!.startsWith('/m/');
      response.writeHead(many || found.length > 0 ? 200 : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(many ? Object.fromEntries(found) : (found[0]?.[1] ?? null)));
    });
  let server = make().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new HttpClient({ policy: new HostPolicy(`127.0.0.1:${port}`), clock: systemClock });
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    source: httpFeatures({ source: `http://127.0.0.1:${port}`, timeoutMs, ...paths }, client),
    put: async (entity, features) => void stored.set(entity, features),
    stop,
    start: async () => {
      server = make().listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    close: async () => {
      await client.close();
      await stop();
    },
  };
}

featureSourceContract({ name: 'HTTP, one by one', open: () => openHttp({ key: '/1/{entity}' }) });
featureSourceContract({
  name: 'HTTP, in batches',
  open: () => openHttp({ key: '/1/{entity}', batchKey: '/m/{entities}' }),
});

for (const form of ['hashes', 'JSON'] as const) {
  featureSourceContract({
    name: `Redis with ${form}`,
    skip: withoutRedis(),
    open: async () => {
      const server = await startRedisServer();
      const link = await connected(linkTo(server.url));
      const plain = new Redis(server.url);
      plain.on('error', () => {});
      return {
        source: redisFeatures({ source: 'redis', key: 'features:{entity}' }, (keys) => link.readFeatures(keys)),
        put: async (entity, features) => {
          if (form === 'JSON') await plain.set(`features:${entity}`, JSON.stringify(features));
          else await plain.hset(`features:${entity}`, features);
        },
        stop: () => server.kill(),
        start: () => server.restart(),
        close: async () => {
          plain.disconnect();
          await link.close();
          await server.stop();
        },
      };
    },
  });
}

const table = 'CREATE TABLE features (id TEXT PRIMARY KEY, age INTEGER, ratio DOUBLE PRECISION, city TEXT, big BIGINT)';
// SQLite gives 64-bit integers as numbers or not at all.
const columns = 'age, ratio, city, big';
const queries = {
  'one by one': { key: `SELECT ${columns} FROM features WHERE id = {entity}` },
  'in batches': {
    key: `SELECT ${columns} FROM features WHERE id = {entity}`,
    batchKey: `SELECT id AS entity, ${columns} FROM features WHERE id IN ({entities})`,
  },
};

for (const [way, keys] of Object.entries(queries)) {
  featureSourceContract({
    name: `SQLite, ${way}`,
    open: async () => {
      const folder = mkdtempSync(join(tmpdir(), 'hotpath-features-'));
      const file = join(folder, 'features.db');
      const database = await openSqlite({ url: `sqlite:${file}`, clock: systemClock, logger });
      const writer = new DatabaseSync(file);
      writer.exec(table);
      const insert = writer.prepare('INSERT INTO features VALUES (?, ?, ?, ?, ?)');
      return {
        source: sqlFeatures({ source: 'sql', timeoutMs, ...keys }, database),
        put: async (entity, { age, ratio, city, big }) => void insert.run(entity, age, ratio, city, BigInt(big)),
        close: async () => {
          writer.close();
          await database.close();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  });

  featureSourceContract({
    name: `PostgreSQL, ${way}`,
    skip: withoutPostgres(),
    open: async () => {
      const server = await startPostgresServer();
      const database = await openPostgres({ url: server.url, clock: systemClock, logger });
      const writer = new Client({ connectionString: server.url });
      writer.on('error', () => {});
      await writer.connect();
      await writer.query(table);
      return {
        source: sqlFeatures({ source: 'sql', timeoutMs, ...keys }, database),
        put: async (entity, { age, ratio, city, big }) => {
          await writer.query('INSERT INTO features VALUES ($1, $2, $3, $4, $5)', [entity, age, ratio, city, big]);
        },
        stop: () => server.kill(),
        start: () => server.start(),
        close: async () => {
          await writer.end().catch(() => {});
          await database.close();
          await server.stop();
        },
      };
    },
  });
}
