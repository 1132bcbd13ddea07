/**
 * Runs models for the optimizer, each in a process of its own: what crashes, hangs or outgrows its memory there ends that process and
 * becomes an error here. Made by server-optimize.ts. A thread would not do: native aborts take the whole process along, a thread in
 * native code cannot be stopped, and memory of a session only comes back when a process ends.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HotpathError } from '../../core/errors.ts';
import type { Signature, Tensor, TensorSpec } from '../../core/tensor.ts';
import type { OpenModel, RunnerOptions } from '../../optimizer/pass.ts';
import { readFrames, sendFrame } from './runner-frames.ts';
import type { RunnerReply, RunnerRequest } from './runner-protocol.ts';
import type { SessionSpec } from './session.ts';

export interface ModelRunnerLimits {
  /** For opening and for each run. @default 120000 */
  readonly timeoutMs?: number;
  /** Resident bytes of one model's process. @default no limit */
  readonly memoryBytes?: number;
}

export interface Timing {
  /** Milliseconds inside the runtime, run by run. */
  readonly durationsMs: readonly number[];
  /** Growth of the process since before the model was loaded. */
  readonly residentBytes: number;
}

export interface TimedModel extends OpenModel {
  /** Runs the same input for `budgetMs`, at least once, after runs that are not counted. */
  time(feeds: Readonly<Record<string, Tensor>>, budgetMs: number): Promise<Timing>;
}

const entry = new URL(import.meta.url.endsWith('.ts') ? './runner-child.ts' : './runner-child.js', import.meta.url);
const watchMs = 250;
const pageBytes = 4096;

export class ProcessModelRunner {
  readonly #limits: ModelRunnerLimits;
  readonly #open = new Set<ModelProcess>();

  constructor(limits: ModelRunnerLimits = {}) {
    this.#limits = limits;
  }

  /** @throws MODEL_FAILED: refused by the runtime, killed its process, took too long or too much memory. */
  async open(model: Uint8Array | string, options: RunnerOptions = {}): Promise<TimedModel> {
    const folder = typeof model === 'string' ? undefined : await mkdtemp(join(tmpdir(), 'hotpath-run-'));
    const path = typeof model === 'string' ? model : join(folder!, 'model.onnx');
    const child = new ModelProcess(this.#limits, () => this.#open.delete(child));
    this.#open.add(child);
    try {
      if (typeof model !== 'string') await writeFile(path, model);
      const reply = await child.ask({ kind: 'open', session: sessionSpec(path, options) });
      return asOpenModel(child, (reply as { signature: Signature }).signature);
    } catch (error) {
      await child.close();
      throw error;
    } finally {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    }
  }

  /** Ends all processes. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((child) => child.close()));
  }
}

function sessionSpec(path: string, options: RunnerOptions): SessionSpec {
  const { intraOpThreads = 1, graphOptimizationLevel = 'all', optimizedModelFilePath, sessionOptions } = options;
  const saved = optimizedModelFilePath === undefined ? {} : { optimizedModelFilePath };
  return {
    path,
    executionProviders: ['cpu'],
    fallbackToCpu: false,
    intraOpThreads,
    sessionOptions: { graphOptimizationLevel, ...saved, ...sessionOptions },
  };
}

function asOpenModel(child: ModelProcess, { inputs, outputs }: Signature): TimedModel {
  const specs: { readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[] } = {
    inputs,
    outputs,
  };
  return {
    ...specs,
    run: async (feeds, fetches) =>
      ((await child.ask({ kind: 'run', feeds, fetches })) as { outputs: Record<string, Tensor> }).outputs,
    time: async (feeds, budgetMs) => (await child.ask({ kind: 'time', feeds, budgetMs }, budgetMs)) as Timing,
    close: () => child.close(),
  };
}

interface Waiting {
  readonly resolve: (reply: RunnerReply) => void;
  readonly reject: (error: Error) => void;
}

class ModelProcess {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #limits: ModelRunnerLimits;
  readonly #ended: Promise<void>;
  #waiting: Waiting | undefined;
  /** Why it was ended from here. */
  #verdict: string | undefined;
  /** The end of the request before. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(limits: ModelRunnerLimits, onEnd: () => void) {
    this.#limits = limits;
    this.#child = spawn(process.execPath, [fileURLToPath(entry)], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    this.#socket = this.#child.stdio[3] as Socket;
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        this.#lose(signal === null ? `exit code ${code}` : `signal ${signal}`);
        onEnd();
        resolve();
      });
      this.#child.once('error', () => {
        this.#lose('it could not be started');
        onEnd();
        resolve();
      });
    });
    // A write to a process that just died; its exit says the same better.
    this.#socket.on('error', () => undefined);
    readFrames(this.#socket, (reply) => this.#settle(reply as RunnerReply));
  }

  /** @throws MODEL_FAILED, ENGINE_FAILED */
  ask(request: RunnerRequest, extraMs = 0): Promise<RunnerReply> {
    const asked = this.#turn.then(() => this.#ask(request, extraMs));
    this.#turn = asked.catch(() => undefined);
    return asked;
  }

  async close(): Promise<void> {
    this.#verdict ??= 'it was closed';
    this.#child.kill('SIGKILL');
    await this.#ended;
    this.#socket.destroy();
  }

  async #ask(request: RunnerRequest, extraMs: number): Promise<RunnerReply> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw this.#death('it has ended');
    const timeoutMs = (this.#limits.timeoutMs ?? 120_000) + extraMs;
    const timer = setTimeout(() => this.#end(`it took longer than ${timeoutMs} ms`), timeoutMs);
    const watch = this.#watchMemory();
    try {
      const reply = await new Promise<RunnerReply>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        sendFrame(this.#socket, request);
      });
      if ('failed' in reply) throw new HotpathError(reply.code, reply.failed);
      return reply;
    } finally {
      clearTimeout(timer);
      clearInterval(watch);
    }
  }

  /** Where there is no /proc, memory is not watched. */
  #watchMemory(): NodeJS.Timeout | undefined {
    const { memoryBytes } = this.#limits;
    if (memoryBytes === undefined || process.platform !== 'linux') return undefined;
    return setInterval(async () => {
      const pages = await readFile(`/proc/${this.#child.pid}/statm`, 'utf8').catch(() => '0 0');
      if (Number(pages.split(' ')[1]) * pageBytes > memoryBytes) {
        this.#end(`it took more than ${Math.round(memoryBytes / 2 ** 20)} MiB of memory`);
      }
    }, watchMs);
  }

  #end(verdict: string): void {
    this.#verdict ??= verdict;
    this.#child.kill('SIGKILL');
  }

  #settle(reply: RunnerReply): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(reply);
  }

  #lose(how: string): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#death(how));
  }

  #death(how: string): HotpathError {
    const reason = this.#verdict ?? `the runtime died (${how})`;
    return new HotpathError('MODEL_FAILED', `The process that ran the model was ended: ${reason}.`);
  }
}
