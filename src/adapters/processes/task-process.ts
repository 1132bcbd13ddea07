/**
 * Runs a task in a process of its own: what it computes takes nothing from the event loop that serves, and what crashes there ends only the
 * task. Called by server-tasks.ts. The child is told to stop by SIGTERM and killed after a grace; it also ends when this process does.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from '../../ports/logger.ts';
import type { TaskOutcome, TaskRun } from '../../ports/task-runner.ts';
import type { TaskProgress } from '../../ports/task-store.ts';
import type { FromTaskChild } from './task-messages.ts';

export interface TaskProcessSpec {
  /** The module; it calls workAsTask of task-child.ts. */
  readonly entry: URL;
  /** JSON. */
  readonly job: object;
  /** Of the task alone; what is left there goes with it. */
  readonly temporaryFolder: string;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  readonly logger: Logger;
}

/** What a child needs of the environment. Not the rest, which may hold credentials. */
const passedOn = ['PATH', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'SystemRoot', 'NODE_COMPILE_CACHE'] as const;
const mostComplaint = 4000;

export function runTaskProcess(spec: TaskProcessSpec, onProgress: (progress: TaskProgress) => void): TaskRun {
  const { entry, job, temporaryFolder, graceMs, logger } = spec;
  const child = fork(entry, {
    execArgv: [],
    // A group of its own: Ctrl-C in the server's terminal must not end what the server stops in order.
    detached: true,
    env: { ...pick(process.env), TMPDIR: temporaryFolder, TEMP: temporaryFolder, TMP: temporaryFolder },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const complaint = lastOf(child);
  let last: TaskOutcome | undefined;
  child.on('message', (message: FromTaskChild) => {
    if ('progress' in message) onProgress(message.progress);
    else if ('done' in message) last = { kind: 'done', result: message.done };
    else last = { kind: 'failed', error: message.failed };
  });
  // A child that is gone already is reported by its end, not by the failed send.
  child.send(job, () => undefined);
  const outcome = new Promise<TaskOutcome>((resolve) => {
    child.on('error', () => resolve({ kind: 'died', how: 'failing to start' }));
    // Not `exit`: its last words may still be on the way then.
    child.once('close', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      if (complaint() !== '') logger.warn({ how, stderr: complaint() }, 'the process of a background task complained');
      resolve(last ?? { kind: 'died', how });
    });
  });
  let killTimer: NodeJS.Timeout | undefined;
  void outcome.then(() => clearTimeout(killTimer));
  return {
    outcome,
    stop() {
      if (killTimer !== undefined) return;
      child.kill('SIGTERM');
      killTimer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    },
  };
}

function pick(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(passedOn.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

/** The end of what it wrote to standard error, for the server's own log. */
function lastOf(child: ChildProcess): () => string {
  let text = '';
  child.stderr!.setEncoding('utf8').on('data', (more: string) => {
    text = (text + more).slice(-mostComplaint);
  });
  return () => text.trim();
}
