/** Starts and stops the servers under test, each in its own process group, and reads their memory and CPU time where /proc is. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import * as net from 'node:net';
import type { Target } from '../src/loadtest/http-connection.ts';

export interface RunningServer {
  readonly target: Target;
  readonly child: ChildProcess;
  /** From the spawn to the first good answer on the ready path. */
  readonly readyMs: number;
  readonly stop: () => Promise<void>;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Where the port comes from: printed as `port N`, or chosen by the caller. */
  readonly port?: number;
  /** Path that answers 200 once the server is ready. */
  readonly readyPath: string;
  readonly cwd?: string;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;

/** Servers that still run; a bench that is interrupted must leave none behind. */
const started = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of started) killGroup(child);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** Resolves when the server answers on its ready path. @throws Error with the server's last output when it does not. */
export async function startServer(server: ServerCommand): Promise<RunningServer> {
  const spawnedMs = performance.now();
  const child = spawn(server.command, server.args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(server.cwd === undefined ? {} : { cwd: server.cwd }),
    env: serverEnvironment(),
  });
  started.add(child);
  child.once('exit', () => started.delete(child));
  const output = collectOutput(child);
  const stop = (): Promise<void> => stopGroup(child);
  try {
    const port = server.port ?? (await printedPort(child, output));
    const target = { host: '127.0.0.1', port };
    await waitUntilReady(target, server.readyPath, child);
    return { target, child, readyMs: performance.now() - spawnedMs, stop };
  } catch (error) {
    await stop();
    throw new Error(`${server.command} did not start: ${(error as Error).message}\n${output.text}`);
  }
}

/** Without HOTPATH_*: the server under test has its defaults, whatever the shell of the bench says. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HOTPATH_')));
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as net.AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Polls until `path` answers 200. */
export async function waitUntilReady(target: Target, path: string, child?: ChildProcess): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (child !== undefined && child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode}`);
    if ((await answersOk(target, path)) === true) return;
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  throw new Error('it was not ready in time');
}

async function answersOk(target: Target, path: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${target.host}:${target.port}${path}`, { headers: { connection: 'close' } });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

interface Output {
  text: string;
}

/** Keeps the last 4 KB: enough for a stack, and a chatty server cannot fill the memory. */
function collectOutput(child: ChildProcess): Output {
  const output = { text: '' };
  const append = (chunk: Buffer): void => {
    output.text = (output.text + chunk.toString()).slice(-4096);
  };
  child.stdout?.on('data', append);
  child.stderr?.on('data', append);
  return output;
}

async function printedPort(child: ChildProcess, output: Output): Promise<number> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline && child.exitCode === null) {
    const port = /port (\d+)/.exec(output.text)?.[1];
    if (port !== undefined) return Number(port);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it printed no port');
}

async function stopGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => killGroup(child), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(late);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The whole group has ended already.
  }
}

/** Process ids of `pid` and all its descendants; only `pid` where there is no /proc. */
function processTree(pid: number): number[] {
  const parents = new Map<number, number>();
  try {
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue;
      const parent = statFields(Number(entry))?.[1];
      if (parent !== undefined) parents.set(Number(entry), Number(parent));
    }
  } catch {
    return [pid];
  }
  const tree = [pid];
  for (const id of tree) for (const [child, parent] of parents) if (parent === id) tree.push(child);
  return tree;
}

/** Fields of /proc/<pid>/stat from the third on; the second may contain spaces. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** CPU seconds used so far by the process and its descendants; NaN where there is no /proc. */
export function cpuSeconds(pid: number): number {
  let ticks = Number.NaN;
  for (const id of processTree(pid)) {
    const fields = statFields(id);
    if (fields !== undefined) ticks = (Number.isNaN(ticks) ? 0 : ticks) + Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}

/** Resident megabytes of the process and its descendants; NaN where there is no /proc. */
export function residentMb(pid: number): number {
  let total = Number.NaN;
  for (const id of processTree(pid)) {
    try {
      const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'latin1'))?.[1]);
      total = (Number.isNaN(total) ? 0 : total) + kilobytes / 1024;
    } catch {
      // It ended between the listing and the reading.
    }
  }
  return total;
}
