/** The server as a user starts it: a process of its own, on free ports unless told otherwise. For tests that kill or count processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const entry = join(import.meta.dirname, '../../../src/cli/main.ts');

export interface ServerProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly grpcUrl: string;
}

/** Resolves when it says that it serves. `flags` come last and win; in `env` undefined takes a variable away. */
export async function startServerProcess(
  models: string,
  flags: readonly string[] = [],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<ServerProcess> {
  const ports = ['--port', '0', '--admin-port', '0', '--grpc-port', '0'];
  const folders = ['--models', models, '--cache-dir', join(models, '.cache'), '--task-dir', join(models, '.tasks')];
  const child = spawn(process.execPath, [entry, 'serve', ...ports, ...folders, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  let printed = '';
  for await (const chunk of child.stdout!) {
    printed += chunk;
    const url = /serves at (http:\S+)/.exec(printed)?.[1];
    const grpcUrl = /gRPC +(grpc:\S+)\n/.exec(printed)?.[1];
    if (url === undefined || grpcUrl === undefined) continue;
    child.stdout!.resume();
    return { child, url, grpcUrl };
  }
  throw new Error(`the server ended: ${printed}`);
}

/** Children of a supervisor: its HTTP processes, and for a moment probes. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
}
