/** One short closed-loop measurement of one server, by wrk where it is installed, else by the own generator. */
import type { LoadGenerator } from '../src/loadtest/generator.ts';
import type { LoadRequest } from '../src/loadtest/load-job.ts';
import { machineBusySeconds } from './machine-load.ts';
import type { RunningServer } from './processes.ts';
import { cpuSeconds } from './processes.ts';
import { measureWithWrk } from './wrk.ts';

export interface Measurement {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Anything but a 2xx answer. */
  readonly failures: number;
  /** Share of one core the client used; near 1 it was the bottleneck. */
  readonly clientCpuShare: number;
  /** CPU time of the server per answered request, all its processes and threads. */
  readonly serverCpuUs: number;
  /** Share of one core that neither server nor client used: other work on the machine. */
  readonly foreignCpuShare: number;
}

/** What the client alone can say. */
export type ClientView = Omit<Measurement, 'serverCpuUs' | 'foreignCpuShare'>;

export interface Client {
  readonly name: string;
  readonly generator: LoadGenerator;
  readonly useWrk: boolean;
}

/** @throws Error when nothing was answered. */
export async function measure(
  client: Client,
  server: RunningServer,
  requests: readonly LoadRequest[],
  connections: number,
  roundSeconds: number,
): Promise<Measurement> {
  const pid = server.child.pid!;
  const cpuBefore = cpuSeconds(pid);
  const busyBefore = machineBusySeconds();
  const start = performance.now();
  const result = client.useWrk
    ? await measureWithWrk(server.target, requests, connections, roundSeconds)
    : await measureWithOwn(client.generator, server, requests, connections, roundSeconds);
  const seconds = (performance.now() - start) / 1000;
  const used = cpuSeconds(pid) - cpuBefore;
  const foreign = (machineBusySeconds() - busyBefore - used) / seconds - result.clientCpuShare;
  const serverCpuUs = (used / (result.requestsPerSecond * seconds)) * 1e6;
  return { ...result, serverCpuUs, foreignCpuShare: Math.max(0, foreign) };
}

async function measureWithOwn(
  generator: LoadGenerator,
  server: RunningServer,
  requests: readonly LoadRequest[],
  connections: number,
  seconds: number,
): Promise<ClientView> {
  const { target } = server;
  const durationMs = seconds * 1000;
  const report = await generator.run({ kind: 'closed', target, requests, connections, durationMs, checkEvery: 50 });
  return {
    requestsPerSecond: report.answersPerSecond,
    p50Ms: report.latency.p50Ms,
    p99Ms: report.latency.p99Ms,
    maxMs: report.latency.maxMs,
    failures: report.offered - report.inTime - report.late + report.wrong,
    clientCpuShare: report.cpuShare,
  };
}

/**
 * Every answer of a run at the same concurrency is compared with the expected one of its own row; wrk cannot do that.
 * @throws Error on the first wrong answer, failure or non-2xx status: a fast wrong server has no place in the table.
 */
export async function verifyAnswers(
  generator: LoadGenerator,
  name: string,
  server: RunningServer,
  requests: readonly LoadRequest[],
  connections: number,
  count: number,
): Promise<void> {
  const { target } = server;
  const report = await generator.run({ kind: 'closed', target, requests, connections, count, checkEvery: 1 });
  if (report.wrong > 0)
    throw new Error(`${name}: ${report.wrong} of ${report.checked} answers wrong, ${report.firstWrong}`);
  if (report.checked < count) {
    const { exitCode, signalCode } = server.child;
    const ended = exitCode === null && signalCode === null ? '' : `; the server ended (${signalCode ?? exitCode})`;
    const what = JSON.stringify({ ...report.statuses, ...report.broken, timedOut: report.timedOut });
    throw new Error(`${name}: ${report.checked} of ${count} answers were good: ${what}${ended}`);
  }
}
