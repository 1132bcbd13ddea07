/**
 * Scenario 3: a convolution net where the model is everything. Hotpath against the bare session loop with the same threads:
 * what does serving take away from throughput, and what does it add to a lonely request?
 */
import { comparisonTable, ratioTarget } from '../comparison.ts';
import { bareTensor, bareTensorName, fastApiRaw, hotpath, hotpathRequests, startHotpath } from '../competitors.ts';
import type { BenchContext } from '../context.ts';
import { httpContender } from '../http-contender.ts';
import { buildResnet18 } from '../models.ts';
import { RawLoop, rawLoopContender, rawLoopName } from '../raw-loop.ts';
import type { ScenarioResult } from '../result.ts';
import { formatNumber } from '../result.ts';
import { takeTurns } from '../rounds.ts';
import { syntheticRow } from '../rows.ts';
import { median } from '../stats.ts';
import type { BenchModel } from '../workspace.ts';

const ROW_SHAPE = [3, 224, 224];
const ELEMENTS = 3 * 224 * 224;
const ROWS = 8;
const CONNECTIONS = 8;
/** Alternating blocks of the lonely comparison: short, so that both see the same weather. */
const BLOCK_REQUESTS = 15;

export async function runResnet(context: BenchContext): Promise<ScenarioResult> {
  const { cores } = context;
  const one = await compareThroughput(context, 'resnet18', 1);
  const all = await compareThroughput(context, 'resnet18-all-cores', cores);
  const lonely = await compareLonely(context, one.model);
  const oneRatio = ratioTarget(one.results, 'Hotpath, binary', rawLoopName, 0.95);
  const allRatio = ratioTarget(all.results, 'Hotpath, binary', rawLoopName, 0.95);
  return {
    name: 'resnet',
    title: 'ResNet-18-like, 600 KB binary input',
    method: [
      `Throughput: the same sessions of one thread each on both sides, ${CONNECTIONS} connections; first one session, which leaves the server's event loop and the client a core, then as many sessions as cores (${cores}), where both take theirs from the sessions.`,
      `The ${bareTensorName} is the least that can stand between a socket and the session: no routing, limits, checks, batching or metrics.`,
      `Lonely request: one connection, closed loop, against one bare session of one thread, ${lonely.blocks} alternating blocks of ${BLOCK_REQUESTS}; the figure is the median over the blocks of the difference of the medians.`,
    ],
    tables: [
      { ...comparisonTable(one.results, 'Hotpath, binary'), title: 'One session of one thread' },
      { ...comparisonTable(all.results, 'Hotpath, binary'), title: `${cores} sessions of one thread` },
      {
        title: 'One lonely request',
        columns: ['', 'p50 ms', 'added ms'],
        rows: [
          [rawLoopName, formatNumber(lonely.rawMs), '-'],
          [bareTensorName, formatNumber(lonely.bareMs), formatNumber(lonely.bareAddedMs)],
          ['Hotpath, binary', formatNumber(lonely.hotpathMs), formatNumber(lonely.addedMs)],
        ],
      },
    ],
    targets: [
      { ...oneRatio, what: `${oneRatio.what}, one session` },
      { ...allRatio, what: `${allRatio.what}, ${cores} sessions` },
      { what: 'added to one lonely request, p50', comparison: '<=', target: 0.5, unit: 'ms', measured: lonely.addedMs },
    ],
    data: { one: Object.fromEntries(one.results), all: Object.fromEntries(all.results), lonely },
  };
}

async function compareThroughput(context: BenchContext, name: string, sessions: number) {
  const { options, workspace, client, python } = context;
  const inputs = Array.from({ length: ROWS }, (_, index) => syntheticRow(ELEMENTS, index));
  const config = { instances: sessions, intraOpThreads: 1, sloMs: 10_000 };
  const model = await workspace.addModel(name, buildResnet18(), ROW_SHAPE, inputs, config);
  const competitors = [
    bareTensor(model, sessions),
    hotpath(model, 'binary', context.hotpath),
    ...(python === undefined ? [] : [fastApiRaw(model, { python, workers: sessions, batcher: false })]),
  ];
  const contenders = [
    rawLoopContender(model, sessions, 1),
    ...competitors.map((competitor) => httpContender(client, competitor, CONNECTIONS, 3 * ROWS)),
  ];
  const results = await takeTurns(contenders, { ...options, roundSeconds: Math.max(4, options.roundSeconds) });
  return { model, results };
}

async function compareLonely({ options, client, hotpath }: BenchContext, model: BenchModel) {
  const blocks = options.quick ? 10 : 40;
  const raw = await RawLoop.start(model, 1, 1);
  const server = await startHotpath(hotpath, ['--default-model', model.name]);
  const bareServer = bareTensor(model, 1);
  const bare = await bareServer.start();
  const hotpathSide = { target: server.target, requests: hotpathRequests(model, 'binary', server.target) };
  const bareSide = { target: bare.target, requests: bareServer.requests(bare) };
  const ask = async ({ target, requests }: typeof hotpathSide): Promise<number> => {
    const count = BLOCK_REQUESTS;
    const report = await client.generator.run({ kind: 'closed', target, requests, connections: 1, count });
    if (report.wrong > 0 || report.inTime < count) throw new Error(`A lonely request failed: ${report.firstWrong}`);
    return report.latency.p50Ms;
  };
  try {
    const rawMs: number[] = [];
    const bareMs: number[] = [];
    const hotpathMs: number[] = [];
    for (let block = -2; block < blocks; block++) {
      const { runMs } = await raw.run({ rows: BLOCK_REQUESTS });
      const [bareP50Ms, hotpathP50Ms] = [await ask(bareSide), await ask(hotpathSide)];
      // The first blocks warm up.
      if (block < 0) continue;
      rawMs.push(median(runMs));
      bareMs.push(bareP50Ms);
      hotpathMs.push(hotpathP50Ms);
    }
    const added = (side: readonly number[]): number => median(side.map((value, block) => value - rawMs[block]!));
    return {
      blocks,
      rawMs: median(rawMs),
      bareMs: median(bareMs),
      hotpathMs: median(hotpathMs),
      bareAddedMs: added(bareMs),
      addedMs: added(hotpathMs),
    };
  } finally {
    await Promise.all([raw.stop(), server.stop(), bare.stop()]);
  }
}
