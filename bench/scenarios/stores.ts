/**
 * Scenario 9: what lies behind the server. A hit in Redis, Redis killed under load, the prediction log on PostgreSQL and SQLite, and
 * what pooled connections and indexes are worth. Starts redis-server and PostgreSQL for itself; left out where they are not installed.
 */
import { trainIris } from '../../src/training/train-iris.ts';
import { startPostgresServer, withoutPostgres } from '../../test/integration/support/postgres-server.ts';
import { startRedisServer, withoutRedis } from '../../test/integration/support/redis-server.ts';
import { comparisonTable, ratioTarget } from '../comparison.ts';
import { type HotpathWire, hotpath, hotpathRequests, startHotpath } from '../competitors.ts';
import type { BenchContext } from '../context.ts';
import { httpContender } from '../http-contender.ts';
import { readMetric } from '../metrics.ts';
import { buildMlp512 } from '../models.ts';
import { measureFactors } from '../query-factors.ts';
import { formatNumber, type ScenarioResult } from '../result.ts';
import { takeTurns } from '../rounds.ts';
import { irisRow, syntheticRow } from '../rows.ts';
import type { BenchModel } from '../workspace.ts';

const ROWS = 32;
const OUTAGE_CONNECTIONS = 16;

export async function runStores(context: BenchContext): Promise<ScenarioResult> {
  for (const missing of [withoutRedis(), withoutPostgres()]) {
    if (missing !== false) throw new Error(`This scenario needs redis-server and PostgreSQL: ${missing}.`);
  }
  await using redis = await startRedisServer();
  await using postgres = await startPostgresServer({ durable: true });
  const { model: bytes, classNames } = trainIris();
  const inputs = Array.from({ length: ROWS }, (_, index) => irisRow(index));
  const config = { classNames, cache: { tiers: ['redis'] } } as const;
  const cached = await context.workspace.addModel('iris-redis', bytes, [4], inputs, config);
  const redisArgs = ['--default-model', cached.name, '--redis-url', redis.url];
  const hit = await measureRedisHit(context, cached, redisArgs);
  const outage = await measureOutage(context, cached, redisArgs, redis);
  const small = await context.workspace.addModel('iris', bytes, [4], inputs, { classNames });
  const rows = Array.from({ length: ROWS }, (_, index) => syntheticRow(512, index));
  const large = await context.workspace.addModel('mlp512', buildMlp512(), [512], rows);
  const logged = await compareLogs(context, small, 'json, batching off', postgres.url);
  const loggedLarge = await compareLogs(context, large, 'json', postgres.url);
  const factors = await measureFactors(postgres.url);
  return {
    name: 'stores',
    title: 'Redis, PostgreSQL, SQLite',
    method: [
      'Redis hit: iris with the redis tier only, one connection, every answer checked. Outage: 16 connections in a closed loop for 12 s, Redis killed after 3 s and started again, empty, after 6 s.',
      'Prediction log: 64 connections, every prediction recorded with its tensors, PostgreSQL with fsync on the same two cores as server and client. Iris without batching, a record of 40 bytes per run of the model; the MLP records 2 KB with each of its predictions.',
      'Pools and indexes: the same call with and without, in turns, 200,000 predictions in PostgreSQL; guides of the field claim about 10x for pools and 100x for indexes.',
    ],
    tables: [
      {
        title: 'Redis',
        columns: ['what', 'measured'],
        rows: [
          ['hit, p50 and p99 ms', `${formatNumber(hit.p50Ms)} and ${formatNumber(hit.p99Ms)}`],
          ['the same model without a cache, p50 ms', formatNumber(hit.uncachedP50Ms)],
          ['answers during the outage run', String(outage.answers)],
          ['of them failed', String(outage.failed)],
          ['hits again after the restart, s', formatNumber(outage.backS)],
        ],
      },
      { ...comparisonTable(logged, 'log to PostgreSQL'), title: 'Prediction log, iris without batching' },
      { ...comparisonTable(loggedLarge, 'log to PostgreSQL'), title: 'Prediction log, MLP with 2 KB of inputs each' },
      {
        title: 'Pools and indexes',
        columns: ['what', 'with, ms', 'without, ms', 'factor'],
        rows: factors.map(({ what, withMs, withoutMs }) => [
          what,
          formatNumber(withMs),
          formatNumber(withoutMs),
          `${formatNumber(withoutMs / withMs)}x`,
        ]),
      },
    ],
    targets: [
      { what: 'Redis hit p50', comparison: '<=', target: 1, unit: 'ms', measured: hit.p50Ms },
      {
        what: 'failed requests while Redis was killed',
        comparison: '<=',
        target: 0,
        unit: 'requests',
        measured: outage.failed,
      },
      { what: 'Redis hits again after its return', comparison: '<=', target: 5, unit: 's', measured: outage.backS },
      ratioTarget(logged, 'log to PostgreSQL', 'no log', 0.95),
      ratioTarget(logged, 'log to SQLite', 'no log', 0.9),
    ],
    data: { hit, outage, logged: Object.fromEntries(logged), loggedLarge: Object.fromEntries(loggedLarge), factors },
  };
}

async function measureRedisHit(context: BenchContext, model: BenchModel, args: readonly string[]) {
  const { client, options } = context;
  const server = await startHotpath(context.hotpath, args);
  try {
    const { target } = server;
    const requests = hotpathRequests(model, 'json', target);
    const count = options.quick ? 1000 : 5000;
    const ask = { kind: 'closed', target, connections: 1, count, warmupMs: 1000 } as const;
    const { latency, wrong } = await client.generator.run({ ...ask, requests });
    const hits = await readMetric(target, /^hotpath_cache_rows_total\{.*outcome="redis"/);
    if (wrong > 0 || !(hits >= count))
      throw new Error(`Of ${count} requests ${hits} were answered from Redis, ${wrong} wrongly.`);
    const bypass = requests.map(({ bytes, expect }) => ({
      bytes: withHeader(bytes, 'Cache-Control: no-store'),
      expect,
    }));
    const uncached = await client.generator.run({ ...ask, requests: bypass });
    return { p50Ms: latency.p50Ms, p99Ms: latency.p99Ms, uncachedP50Ms: uncached.latency.p50Ms };
  } finally {
    await server.stop();
  }
}

function withHeader(request: Uint8Array, header: string): Uint8Array {
  const text = Buffer.from(request).toString('latin1');
  return Buffer.from(text.replace('\r\n', `\r\n${header}\r\n`), 'latin1');
}

async function measureOutage(
  context: BenchContext,
  model: BenchModel,
  args: readonly string[],
  redis: { kill(): Promise<void>; restart(): Promise<void> },
) {
  const server = await startHotpath(context.hotpath, args);
  try {
    const { target } = server;
    const requests = hotpathRequests(model, 'json', target);
    const load = context.client.generator.run({
      kind: 'closed',
      target,
      requests,
      connections: OUTAGE_CONNECTIONS,
      durationMs: 12_000,
    });
    await wait(3000);
    await redis.kill();
    await wait(3000);
    const hits = () => readMetric(target, /^hotpath_cache_rows_total\{.*outcome="redis"/);
    const before = await hits();
    await redis.restart();
    const restartedMs = performance.now();
    let backS = Number.POSITIVE_INFINITY;
    while (performance.now() - restartedMs < 8000) {
      if ((await hits()) > before) {
        backS = (performance.now() - restartedMs) / 1000;
        break;
      }
      await wait(50);
    }
    const { offered, inTime, late, wrong } = await load;
    if (wrong > 0) throw new Error('A wrong answer while Redis was away.');
    return { answers: inTime + late, failed: offered - inTime - late, backS };
  } finally {
    await server.stop();
  }
}

/** The same model with and without a log, in turns. */
async function compareLogs(
  { options, client, hotpath: own }: BenchContext,
  model: BenchModel,
  wire: HotpathWire,
  postgresUrl: string,
) {
  const sqliteUrl = `sqlite:${own.modelsDir}/.${model.name}.db`;
  const log = (url: string): string[] => ['--prediction-log', 'async', '--database-url', url];
  const variants = [
    { name: 'no log', args: [] },
    { name: 'log to PostgreSQL', args: log(postgresUrl) },
    { name: 'log to SQLite', args: log(sqliteUrl) },
  ];
  const contenders = variants.map((variant) =>
    httpContender(client, hotpath(model, wire, own, variant), options.connections),
  );
  return takeTurns(contenders, options);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
