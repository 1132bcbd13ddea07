/**
 * Scenario 4: more load than the machine can serve. A model of about 20 ms per row, its capacity found in a closed loop,
 * then an open loop at fractions and multiples of it. What counts is the goodput: answers within the SLO.
 */
import type { LoadJob, LoadReport } from '../../src/loadtest/load-job.ts';
import type { HotpathServer } from '../competitors.ts';
import { hotpathRequests, startHotpath } from '../competitors.ts';
import type { BenchContext } from '../context.ts';
import { machineBusySeconds, measureUndisturbed } from '../machine-load.ts';
import { readMetric } from '../metrics.ts';
import { buildMatmulChain } from '../models.ts';
import { cpuSeconds } from '../processes.ts';
import type { ScenarioResult, Table, Target } from '../result.ts';
import { formatNumber } from '../result.ts';
import { syntheticRow } from '../rows.ts';
import { median } from '../stats.ts';
import type { BenchModel } from '../workspace.ts';

const LOADS = [0.5, 0.9, 1.5, 3, 10];
const SLO_MS = 250;
const WARMUP_MS = 1500;
const CAPACITY_CONNECTIONS = 16;
const MAX_IN_FLIGHT = 2000;
const EVENT_LOOP_P99 = /^hotpath_event_loop_delay_seconds\{[^}]*quantile="0\.99"/;

interface Step {
  readonly load: number;
  readonly report: LoadReport;
  readonly loopDelayMs: number;
  readonly foreignCpuShare: number;
}

interface Sweep {
  /** Answers per second when nothing is refused. */
  readonly capacity: number;
  /** Those of them within the SLO. */
  readonly inTime: number;
  readonly steps: readonly Step[];
}

export async function runOverload(context: BenchContext): Promise<ScenarioResult> {
  const { options, workspace, cores } = context;
  const inputs = Array.from({ length: 16 }, (_, index) => syntheticRow(64, index));
  const config = { instances: cores, intraOpThreads: 1, sloMs: SLO_MS };
  const model = await workspace.addModel('slow', buildMatmulChain(), [64], inputs, config);
  const server = await startHotpath(context.hotpath, ['--default-model', model.name]);
  const sweeps: Sweep[] = [];
  try {
    for (let round = 0; round < (options.quick ? 1 : 3); round++)
      sweeps.push(await sweep(context, server, model, round));
  } finally {
    await server.stop();
  }
  const rows = LOADS.map((load, index) => summarizeStep(load, sweeps, index));
  return {
    name: 'overload',
    title: `Overload, about 20 ms per row, SLO ${SLO_MS} ms`,
    method: [
      `Capacity (${formatNumber(median(sweeps.map(({ capacity }) => capacity)))} answers/s) is found with ${CAPACITY_CONNECTIONS} closed-loop connections whose deadline is far away; then Poisson arrivals, ${options.overloadSeconds} s per step, ${sweeps.length} sweeps, medians. Latency counts from the intended send time; an answer is in time when the client has it within the SLO.`,
      'The share is of the largest in-time rate of the same sweep, capacity run included. The event-loop delay is what the server reports at /metrics.',
    ],
    tables: [stepTable(rows)],
    targets: stepTargets(rows),
    data: { rows, sweeps },
  };
}

const STEP_COLUMNS = {
  'offered/s': (row) => row.offered,
  'in time/s': (row) => row.inTime,
  'share of maximum': (row) => row.share,
  'late/s': (row) => row.late,
  'refused/s': (row) => row.refused,
  'lost/s': (row) => row.lost,
  'p50 ms': (row) => row.p50Ms,
  'p99 ms': (row) => row.p99Ms,
  'refusal p99 ms': (row) => row.refusalP99Ms,
  'generator lag p99 ms': (row) => row.lagP99Ms,
  'event-loop delay p99 ms': (row) => row.loopDelayMs,
  'other CPU, cores': (row) => row.foreignCpuShare,
} satisfies Record<string, (row: StepRow) => number>;

function stepTable(rows: readonly StepRow[]): Table {
  return {
    title: 'Open loop',
    columns: ['load', ...Object.keys(STEP_COLUMNS)],
    rows: rows.map((row) => [`${row.load}x`, ...Object.values(STEP_COLUMNS).map((pick) => formatNumber(pick(row)))]),
  };
}

function stepTargets(rows: readonly StepRow[]): Target[] {
  const shareAt = (load: number): number => rows.find((row) => row.load === load)?.share ?? Number.NaN;
  const refusalMs = Math.max(...rows.filter((row) => row.load > 1).map((row) => row.refusalP99Ms));
  const loopDelayMs = Math.max(...rows.map((row) => row.loopDelayMs));
  return [
    { what: 'in-time rate at 1.5x, share of maximum', comparison: '>=', target: 0.9, unit: '', measured: shareAt(1.5) },
    { what: 'in-time rate at 10x, share of maximum', comparison: '>=', target: 0.8, unit: '', measured: shareAt(10) },
    { what: 'refusals p99 at 1.5x to 10x', comparison: '<=', target: 20, unit: 'ms', measured: refusalMs },
    { what: 'event-loop delay p99', comparison: '<=', target: 20, unit: 'ms', measured: loopDelayMs },
  ];
}

async function sweep(context: BenchContext, server: HotpathServer, model: BenchModel, round: number): Promise<Sweep> {
  const { target } = server;
  const durationMs = context.options.overloadSeconds * 1000;
  const common = { target, sloMs: SLO_MS, timeoutMs: 5000, warmupMs: WARMUP_MS } as const;
  const patient = { ...common, requests: hotpathRequests(model, 'json, patient', target) };
  const closed = { ...patient, kind: 'closed', connections: CAPACITY_CONNECTIONS, durationMs } as const;
  const { answersPerSecond: capacity, goodputPerSecond: inTime } = (await runStep(context, server, 1, closed)).report;
  console.log(`  capacity ${formatNumber(capacity)}/s`);
  const requests = hotpathRequests(model, 'json', target);
  const steps: Step[] = [];
  for (const [index, load] of LOADS.entries()) {
    const arrivals = {
      kind: 'poisson',
      ratePerSecond: capacity * load,
      durationMs,
      seed: 100 * round + index,
    } as const;
    const open = { ...common, kind: 'open', requests, arrivals, maxInFlight: MAX_IN_FLIGHT } as const;
    const step = await runStep(context, server, load, open);
    steps.push(step);
    const { goodputPerSecond, refused } = step.report;
    console.log(`  ${load}x: ${formatNumber(goodputPerSecond)} in time/s, ${refused} refused`);
  }
  return { capacity, inTime, steps };
}

/** Every answer must be right, whatever the load. The metric covers the time since it was read before. */
function runStep({ client }: BenchContext, server: HotpathServer, load: number, job: LoadJob): Promise<Step> {
  return measureUndisturbed(async () => {
    await readMetric(server.target, EVENT_LOOP_P99);
    const begin = { cpu: cpuSeconds(server.child.pid!), busy: machineBusySeconds(), ms: performance.now() };
    const report = await client.generator.run(job);
    const seconds = (performance.now() - begin.ms) / 1000;
    const used = cpuSeconds(server.child.pid!) - begin.cpu;
    const foreign = (machineBusySeconds() - begin.busy - used) / seconds - report.cpuShare;
    if (report.wrong > 0) throw new Error(`Hotpath answered wrongly at ${load}x: ${report.firstWrong}`);
    const loopDelayMs = (await readMetric(server.target, EVENT_LOOP_P99)) * 1000;
    return { load, report, loopDelayMs, foreignCpuShare: Math.max(0, foreign) };
  });
}

interface StepRow {
  readonly load: number;
  readonly offered: number;
  readonly inTime: number;
  readonly share: number;
  readonly late: number;
  readonly refused: number;
  /** Timed out, dropped by the generator, broken, or another status. */
  readonly lost: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly refusalP99Ms: number;
  readonly lagP99Ms: number;
  readonly loopDelayMs: number;
  readonly foreignCpuShare: number;
}

function summarizeStep(load: number, sweeps: readonly Sweep[], index: number): StepRow {
  const of = (pick: (report: LoadReport) => number): number =>
    median(sweeps.map(({ steps }) => pick(steps[index]!.report)));
  const perSecond = (pick: (report: LoadReport) => number): number => of((report) => pick(report) / report.seconds);
  return {
    load,
    offered: perSecond((report) => report.offered),
    inTime: of((report) => report.goodputPerSecond),
    share: median(sweeps.map((one) => one.steps[index]!.report.goodputPerSecond / largestGoodput(one))),
    late: perSecond((report) => report.late),
    refused: perSecond((report) => report.refused),
    lost: perSecond((report) => report.offered - report.inTime - report.late - report.refused),
    p50Ms: of((report) => report.latency.p50Ms),
    p99Ms: of((report) => report.latency.p99Ms),
    refusalP99Ms: of((report) => report.refusalLatency.p99Ms),
    lagP99Ms: of((report) => report.lag.p99Ms),
    loopDelayMs: median(sweeps.map(({ steps }) => steps[index]!.loopDelayMs)),
    foreignCpuShare: median(sweeps.map(({ steps }) => steps[index]!.foreignCpuShare)),
  };
}

function largestGoodput({ inTime, steps }: Sweep): number {
  return Math.max(inTime, ...steps.map(({ report }) => report.goodputPerSecond));
}
