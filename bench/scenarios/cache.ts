/**
 * Scenario 8: the response cache in memory. What a hit costs against a server that does nothing, what a cache costs that never hits,
 * what repeated requests save where the model is everything, and how often a model runs when a thousand clients ask the same at once.
 */
import { trainIris } from '../../src/training/train-iris.ts';
import { comparisonTable, ratioTarget } from '../comparison.ts';
import { echo, type HotpathServer, hotpath, hotpathRequests, startHotpath } from '../competitors.ts';
import type { BenchContext } from '../context.ts';
import { httpContender } from '../http-contender.ts';
import { measureKeys } from '../key-cost.ts';
import { readMetric } from '../metrics.ts';
import { buildResnet18 } from '../models.ts';
import { repeatTrace } from '../repeat-trace.ts';
import { formatNumber, type ScenarioResult } from '../result.ts';
import { takeTurns } from '../rounds.ts';
import { irisRow, syntheticRow } from '../rows.ts';
import { median, pairedRatio } from '../stats.ts';
import type { BenchModel } from '../workspace.ts';

const HIT_ROWS = 32;
/** Many more than fit into the memory below, asked in turn: the least recently used one is always the next. */
const MISS_ROWS = 4096;
const MISS_MEMORY = '100KiB';
const IMAGE_ELEMENTS = 3 * 224 * 224;
const IMAGE_SHAPE = [3, 224, 224];
const REPEAT_SHARE = 0.4;
const IDENTICAL = 1000;

export async function runCache(context: BenchContext): Promise<ScenarioResult> {
  const hits = await compareHits(context);
  const misses = await compareMisses(context);
  const images = await compareRepeats(context);
  const identicalRuns = await countIdenticalRuns(context, images.cachedModel);
  const keys = measureKeys();
  return {
    name: 'cache',
    title: 'Response cache in memory',
    method: [
      `Hits: the iris forest, ${HIT_ROWS} rows in turn. Never a hit: ${MISS_ROWS} rows in turn through ${MISS_MEMORY} of memory, so that each is gone before it comes again; the same model without a cache beside it.`,
      `Repeats: ${images.length} images of 600 KB per round, ${formatNumber(images.repeatShare * 100)} % of them asked before in the same round (Zipf), 8 connections, the cache emptied before each round.`,
      `Identical: ${IDENTICAL} connections ask the same image at once; counted are the rows the model ran. Keys: medians over blocks in one process.`,
    ],
    tables: [
      { ...comparisonTable(hits, 'every request a hit'), title: 'Hits' },
      { ...comparisonTable(misses, 'a cache that never hits'), title: 'Never a hit' },
      {
        title: `ResNet-18-like, ${formatNumber(images.repeatShare * 100)} % repeats`,
        columns: ['server', 'images/s', 'p50 ms', 'p99 ms'],
        rows: images.rows,
      },
      {
        title: 'Key of one row',
        columns: ['row', 'us'],
        rows: [
          ['4 floats', formatNumber(keys.smallUs)],
          ['600 KB', formatNumber(keys.largeUs)],
        ],
      },
    ],
    targets: [
      ratioTarget(hits, 'every request a hit', 'bare node:http echo', 0.9),
      ratioTarget(misses, 'a cache that never hits', 'no cache', 0.97),
      { what: 'cached / uncached images/s', comparison: '>=', target: 1.6, unit: 'x', measured: images.ratio },
      {
        what: `rows run for ${IDENTICAL} identical requests at once`,
        comparison: '<=',
        target: 1,
        unit: 'rows',
        measured: identicalRuns,
      },
      { what: 'key of 4 floats', comparison: '<=', target: 1, unit: 'us', measured: keys.smallUs },
      { what: 'key of 600 KB', comparison: '<=', target: 100, unit: 'us', measured: keys.largeUs },
    ],
    data: {
      hits: Object.fromEntries(hits),
      misses: Object.fromEntries(misses),
      // Without the model: its rows are a hundred megabytes of pixels.
      images: { ratio: images.ratio, repeatShare: images.repeatShare, rows: images.rows },
      identicalRuns,
      keys,
    },
  };
}

async function compareHits({ options, workspace, client, hotpath: own }: BenchContext) {
  const inputs = Array.from({ length: HIT_ROWS }, (_, index) => irisRow(index));
  const { model: bytes, classNames } = trainIris();
  const plain = await workspace.addModel('iris', bytes, [4], inputs, { classNames });
  const cached = await workspace.addModel('iris-cached', bytes, [4], inputs, { classNames, deterministic: true });
  const competitors = [
    echo(plain),
    hotpath(plain, 'json', own, { name: 'no cache', args: [] }),
    hotpath(cached, 'json', own, { name: 'every request a hit', args: [] }),
  ];
  return takeTurns(
    competitors.map((competitor) => httpContender(client, competitor, options.connections)),
    options,
  );
}

async function compareMisses({ options, workspace, client, hotpath: own }: BenchContext) {
  const inputs = Array.from({ length: MISS_ROWS }, (_, index) => syntheticRow(4, index));
  const { model: bytes, classNames } = trainIris();
  const plain = await workspace.addModel('iris-many', bytes, [4], inputs, { classNames });
  const cached = await workspace.addModel('iris-missed', bytes, [4], inputs, { classNames, deterministic: true });
  const competitors = [
    hotpath(plain, 'json', own, { name: 'no cache', args: [] }),
    hotpath(cached, 'json', own, { name: 'a cache that never hits', args: ['--cache-memory', MISS_MEMORY] }),
  ];
  return takeTurns(
    competitors.map((competitor) => httpContender(client, competitor, options.connections)),
    { ...options, rounds: 2 * options.rounds },
  );
}

async function compareRepeats(context: BenchContext) {
  const { options, workspace, hotpath: own } = context;
  const trace = repeatTrace(options.quick ? 60 : 150, REPEAT_SHARE, 1);
  const distinct = Math.max(...trace) + 1;
  const inputs = Array.from({ length: distinct }, (_, index) => syntheticRow(IMAGE_ELEMENTS, index));
  const bytes = buildResnet18();
  const config = { instances: 1, intraOpThreads: 1, sloMs: 60_000 };
  const plain = await workspace.addModel('images', bytes, IMAGE_SHAPE, inputs, config);
  const cached = await workspace.addModel('images-cached', bytes, IMAGE_SHAPE, inputs, { ...config, cache: {} });
  const sides = [];
  for (const model of [plain, cached]) {
    sides.push({
      model,
      server: await startHotpath(own, ['--default-model', model.name]),
      rates: [] as number[],
      p50: [] as number[],
      p99: [] as number[],
    });
  }
  try {
    for (let round = -1; round < options.rounds; round++) {
      for (const { model, server, rates, p50, p99 } of round % 2 === 0 ? sides : sides.toReversed()) {
        const { answersPerSecond, latency } = await askTrace(context, server, model, trace);
        // The first round warms up.
        if (round < 0) continue;
        rates.push(answersPerSecond);
        p50.push(latency.p50Ms);
        p99.push(latency.p99Ms);
      }
    }
  } finally {
    await Promise.all(sides.map(({ server }) => server.stop()));
  }
  const rows = sides.map(({ rates, p50, p99 }, index) => [
    index === 0 ? 'no cache' : 'with cache',
    formatNumber(median(rates)),
    formatNumber(median(p50)),
    formatNumber(median(p99)),
  ]);
  const ratio = pairedRatio(sides[1]!.rates, sides[0]!.rates);
  return { length: trace.length, repeatShare: 1 - distinct / trace.length, rows, ratio, cachedModel: cached };
}

/** Every answer is compared with the right one. */
async function askTrace({ client }: BenchContext, server: HotpathServer, model: BenchModel, trace: readonly number[]) {
  await emptyCache(server);
  const byRow = hotpathRequests(model, 'binary', server.target);
  const requests = trace.map((row) => byRow[row]!);
  const { target } = server;
  const report = await client.generator.run({
    kind: 'closed',
    target,
    requests,
    connections: 8,
    count: trace.length,
    timeoutMs: 60_000,
  });
  if (report.wrong > 0 || report.inTime < trace.length)
    throw new Error(`A repeated image failed: ${report.firstWrong}`);
  return report;
}

async function countIdenticalRuns({ client, hotpath: own }: BenchContext, model: BenchModel): Promise<number> {
  const server = await startHotpath(own, ['--default-model', model.name]);
  try {
    const { target } = server;
    const ran = () => readMetric(target, new RegExp(`^hotpath_batch_size_sum\\{model="${model.name}"`));
    const before = (await ran()) || 0;
    const requests = hotpathRequests(model, 'binary', target).slice(0, 1);
    const report = await client.generator.run({
      kind: 'closed',
      target,
      requests,
      connections: IDENTICAL,
      count: IDENTICAL,
      timeoutMs: 60_000,
    });
    if (report.inTime < IDENTICAL || report.wrong > 0)
      throw new Error(`An identical request failed: ${report.firstWrong}`);
    return (await ran()) - before;
  } finally {
    await server.stop();
  }
}

export async function emptyCache({ admin }: HotpathServer): Promise<void> {
  const response = await fetch(`http://${admin.host}:${admin.port}/admin/cache/invalidate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: '*' }),
  });
  if (!response.ok) throw new Error(`The cache could not be emptied: ${response.status} ${await response.text()}`);
}
