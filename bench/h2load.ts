/** Drives h2load, nghttp2's load generator in C, where it is installed: one prepared gRPC call again and again, closed loop. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Target } from '../src/loadtest/http-connection.ts';
import type { ClientView } from './measure.ts';
import { percentile } from './stats.ts';

const run = promisify(execFile);

export function h2loadIsInstalled(): boolean {
  return spawnSync('h2load', ['--version'], { stdio: 'ignore' }).error === undefined;
}

export interface GrpcLoad {
  readonly target: Target;
  readonly path: string;
  /** A whole framed message. */
  readonly body: Uint8Array;
  readonly streams: number;
  readonly seconds: number;
}

/** On one connection. @throws Error when h2load fails or nothing was answered. */
export async function measureWithH2load({ target, path, body, streams, seconds }: GrpcLoad): Promise<ClientView> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-h2load-'));
  try {
    const [bodyFile, logFile] = [join(folder, 'body'), join(folder, 'log')];
    await writeFile(bodyFile, body);
    const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
    const args = ['-c1', '-t1', `-m${streams}`, '-D', String(Math.max(1, Math.round(seconds)))];
    args.push('-d', bodyFile, `--log-file=${logFile}`, ...headers, `http://${target.host}:${target.port}${path}`);
    const { stdout } = await run('h2load', args);
    const failures = Number(/(\d+) failed/.exec(stdout)?.[1]);
    const rate = Number(/, ([\d.]+) req\/s/.exec(stdout)?.[1]);
    // Lines of start, status and duration, in microseconds.
    const lines = (await readFile(logFile, 'latin1')).trimEnd().split('\n');
    const timesMs = lines.map((line) => Number(line.split('\t')[2]) / 1000);
    if (!(rate > 0)) throw new Error(`h2load had no answers: ${stdout}`);
    const [p50Ms, p99Ms, maxMs] = [percentile(timesMs, 50), percentile(timesMs, 99), percentile(timesMs, 100)];
    return { requestsPerSecond: rate, p50Ms, p99Ms, maxMs, failures, clientCpuShare: Number.NaN };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
