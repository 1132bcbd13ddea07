/** Drives wrk, the C load generator, where it is installed: prepared requests in turn, one thread, closed loop. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Target } from '../src/loadtest/http-connection.ts';
import type { LoadRequest } from '../src/loadtest/load-job.ts';
import type { ClientView } from './measure.ts';

const run = promisify(execFile);

export function wrkIsInstalled(): boolean {
  const { error } = spawnSync('wrk', ['--version'], { stdio: 'ignore' });
  return error === undefined;
}

/** `os.clock` is the CPU time of the whole wrk process, so the report knows how busy the client was. */
function script(file: string, sizes: readonly number[]): string {
  return `local requests = {}
local file = assert(io.open(${JSON.stringify(file)}, 'rb'))
for _, size in ipairs({ ${sizes.join(', ')} }) do
  requests[#requests + 1] = file:read(size)
end
file:close()
local index = 0
function request()
  index = index % #requests + 1
  return requests[index]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"us":%d,"p50":%d,"p99":%d,"max":%d,"statusErrors":%d,"socketErrors":%d,"cpu":%f}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, os.clock()))
end
`;
}

interface WrkResult {
  readonly requests: number;
  readonly us: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly statusErrors: number;
  readonly socketErrors: number;
  readonly cpu: number;
}

/** @throws Error when wrk fails or prints no result. */
export async function measureWithWrk(
  target: Target,
  requests: readonly LoadRequest[],
  connections: number,
  seconds: number,
): Promise<ClientView> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-wrk-'));
  try {
    // One file for all: thousands of them would keep the machine busy while it is measured.
    const all = join(folder, 'requests.http');
    await writeFile(all, Buffer.concat(requests.map(({ bytes }) => bytes)));
    const sizes = requests.map(({ bytes }) => bytes.byteLength);
    const scriptFile = join(folder, 'requests.lua');
    await writeFile(scriptFile, script(all, sizes));
    const url = `http://${target.host}:${target.port}/`;
    // wrk takes whole seconds only.
    const duration = `${Math.max(1, Math.round(seconds))}s`;
    const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${duration}`, '-s', scriptFile, url]);
    const line = /RESULT (\{.*\})/.exec(stdout)?.[1];
    if (line === undefined) throw new Error(`wrk printed no result: ${stdout}`);
    return toMeasurement(JSON.parse(line) as WrkResult);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function toMeasurement(result: WrkResult): ClientView {
  const seconds = result.us / 1e6;
  return {
    requestsPerSecond: (result.requests - result.statusErrors) / seconds,
    p50Ms: result.p50 / 1000,
    p99Ms: result.p99 / 1000,
    maxMs: result.max / 1000,
    failures: result.statusErrors + result.socketErrors,
    clientCpuShare: result.cpu / seconds,
  };
}
