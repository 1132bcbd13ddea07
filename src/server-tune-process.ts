/**
 * One setting of a model, open in a process of its own, for `tune` to measure. A process and not threads of this one: memory of a session
 * only comes back when its process ends, too many instances may be ended by the kernel, and a native abort would take the search along.
 * Made by server-tune.ts, which closes it; it is also gone when the signal is aborted.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { HotpathError } from './core/errors.ts';
import type { OpenLoopJob, OpenLoopResult } from './optimizer/tune/open-loop.ts';
import type { SaturateJob, Saturation } from './optimizer/tune/saturate.ts';
import type { OpenSetting } from './optimizer/tune/tools.ts';
import type { OpenJob, TuneQuestion, TuneReply, WarmReading } from './server-tune-child.ts';

const entry = new URL(
  import.meta.url.endsWith('.ts') ? './server-tune-child.ts' : './server-tune-child.js',
  import.meta.url,
);

/** @throws MODEL_FAILED when it does not load or kills its process */
export async function openSetting(job: OpenJob, signal: AbortSignal | undefined): Promise<OpenSetting> {
  signal?.throwIfAborted();
  const process = new TuneProcess(signal);
  try {
    const reply = await process.ask({ kind: 'open', job }, job.loadTimeoutMs);
    const { opened } = reply as { opened: readonly WarmReading[] };
    return {
      warm: opened,
      saturate: async (saturateJob: SaturateJob) => {
        const question: TuneQuestion = { kind: 'saturate', job: saturateJob };
        const answer = await process.ask(question, saturateJob.budgetMs + job.spec.runTimeoutMs * longRuns);
        return (answer as { saturation: Saturation }).saturation;
      },
      openLoop: async (loopJob: OpenLoopJob) => {
        const question: TuneQuestion = { kind: 'open-loop', job: loopJob };
        const answer = await process.ask(
          question,
          loopJob.durationMs + loopJob.sloMs + job.spec.runTimeoutMs * longRuns,
        );
        return (answer as { measured: OpenLoopResult }).measured;
      },
      close: () => process.close(),
    };
  } catch (error) {
    await process.close();
    throw error;
  }
}

/** Every size is run a few times, whatever the budget; each run has a limit of its own. */
const longRuns = 20;

class TuneProcess {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal | undefined;
  readonly #ended: Promise<string>;
  readonly #kill = () => void this.#child.kill('SIGKILL');

  constructor(signal: AbortSignal | undefined) {
    // No execArgv of ours (inspector, loaders, test flags), no output of theirs.
    this.#child = fork(entry, { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    this.#signal = signal;
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', (code, by) => resolve(by === null ? `exit code ${code}` : `signal ${by}`));
      this.#child.once('error', () => resolve('it could not be started'));
    });
    signal?.addEventListener('abort', this.#kill);
  }

  /** One question at a time. */
  async ask(question: TuneQuestion, timeoutMs: number): Promise<TuneReply> {
    const answered = new Promise<TuneReply>((resolve) => this.#child.once('message', resolve));
    const { promise: late, resolve: giveUp } = Promise.withResolvers<undefined>();
    const timer = setTimeout(giveUp, timeoutMs, undefined);
    // A child that is gone already is reported by its end, not by the failed send.
    this.#child.send(question, () => undefined);
    try {
      const outcome = await Promise.race([answered, this.#ended, late]);
      this.#signal?.throwIfAborted();
      if (outcome === undefined) throw failed(`did not answer within ${Math.round(timeoutMs / 1000)} s`);
      if (typeof outcome === 'string') throw failed(`ended its process (${outcome})`);
      if ('failed' in outcome) throw new HotpathError('MODEL_FAILED', outcome.failed);
      return outcome;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves when the process is gone. Idempotent. */
  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#kill);
    this.#kill();
    await this.#ended;
  }
}

function failed(what: string): HotpathError {
  return new HotpathError('MODEL_FAILED', `With this setting the model ${what}.`);
}
