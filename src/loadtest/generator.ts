/**
 * A load generator in a process of its own, so that its work never delays the server's process or the one that plans the
 * runs. One job at a time; keep it alive over many jobs, then `close()` it.
 */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { LoadJob, LoadReport } from './load-job.ts';

type Reply = { readonly report: LoadReport } | { readonly error: string };

export class LoadGenerator {
  readonly #child: ChildProcess;
  #pending: PromiseWithResolvers<LoadReport> | undefined;

  constructor() {
    this.#child = fork(new URL('./generator-main.ts', import.meta.url), { serialization: 'advanced' });
    this.#child.on('message', (message) => this.#settle(message as Reply));
    this.#child.on('exit', () => this.#settle({ error: 'the load generator ended' }));
  }

  /** Runs one job to its end. @throws Error when the job is wrong, another one runs, or the process died. */
  async run(job: LoadJob): Promise<LoadReport> {
    if (this.#pending !== undefined) throw new Error('The load generator runs one job at a time.');
    if (!this.#child.connected) throw new Error('The load generator has ended.');
    this.#pending = Promise.withResolvers();
    this.#child.send(job);
    return await this.#pending.promise;
  }

  /** Ends the process; a running job fails. Idempotent. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await exited;
  }

  #settle(reply: Reply): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if ('error' in reply) pending?.reject(new Error(`Load run failed: ${reply.error}.`));
    else pending?.resolve(reply.report);
  }
}
