/** Starts the tiny supervisor as a real process and talks to it. Used by supervisor.test.ts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, get } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./tiny-supervisor.ts', import.meta.url));

export interface Supervised {
  readonly url: string;
  readonly process: ChildProcess;
  readonly exit: Promise<{ code: number | null; signal: string | null }>;
  /** Lines about deaths and swaps so far. */
  readonly log: readonly string[];
}

export interface StartedProcess extends Omit<Supervised, 'url'> {
  readonly url: Promise<string>;
}

export function spawnSupervisor(flags: readonly string[], env: Record<string, string> = {}): StartedProcess {
  const child = spawn(process.execPath, [script, '--port=0', '--admin-port=0', '--grpc-port=0', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const log: string[] = [];
  createInterface(child.stderr).on('line', (line) => log.push(line));
  const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  const url = new Promise<string>((resolve) =>
    createInterface(child.stdout).once('line', (line) => resolve((JSON.parse(line) as { url: string }).url)),
  );
  return { process: child, exit, log, url };
}

export async function startSupervised(flags: readonly string[]): Promise<Supervised> {
  const started = spawnSupervisor(flags);
  const url = await Promise.race([
    started.url,
    started.exit.then(({ code }) => {
      throw new Error(`The supervisor ended with ${code}: ${started.log.join('\n')}`);
    }),
  ]);
  return { ...started, url };
}

export interface Pid {
  readonly pid: number;
}

/** One GET; a connection of its own unless an agent is given. Rejects on every failure. */
export function ask<T = Pid>(url: string, agent: Agent | false = false): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: agent === false ? new Agent({ keepAlive: false }) : agent }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(JSON.parse(text) as T));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** Asks on new connections until the answering process satisfies the condition; failures in between are tried again. */
export async function askUntil(url: string, good: (pid: number) => boolean): Promise<number> {
  for (;;) {
    const pid = await ask(url).then(
      (answer) => answer.pid,
      () => undefined,
    );
    if (pid !== undefined && good(pid)) return pid;
    await new Promise(setImmediate);
  }
}

export interface Load {
  /** Answers per process so far. */
  readonly answers: ReadonlyMap<number, number>;
  readonly failures: readonly Error[];
  stop(): Promise<void>;
}

/** Clients in a closed loop, each on its kept-alive connection. */
export function startLoad(url: string, clients: number): Load {
  const answers = new Map<number, number>();
  const failures: Error[] = [];
  let running = true;
  const loop = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (running) {
      try {
        const { pid } = await ask(url, agent);
        answers.set(pid, (answers.get(pid) ?? 0) + 1);
      } catch (error) {
        failures.push(error as Error);
      }
    }
    agent.destroy();
  };
  const loops = Array.from({ length: clients }, loop);
  return {
    answers,
    failures,
    stop: async () => {
      running = false;
      await Promise.all(loops);
    },
  };
}
