/**
 * The parent of the HTTP processes: forks N of them, replaces the dead at once and the tired one at a time, carries their
 * messages to each other, and sends them home at the end. Run by serve.ts for --workers > 1 or --max-requests > 0.
 * It owns nothing heavy: no model, no request, no metrics.
 */
import cluster, { type Worker } from 'node:cluster';
import { guardHandoffs } from './handoff-guard.ts';
import { LinkHub } from './link-hub.ts';
import type { ServerUrls } from './server-contract.ts';
import type { FromWorker } from './worker-messages.ts';
import { type ProcessExit, WorkerProcess } from './worker-process.ts';
import { WorkerSlot } from './worker-slot.ts';

export interface SupervisorOptions {
  readonly workers: number;
  /** The module a process runs, and its arguments. */
  readonly entry: string;
  readonly args: readonly string[];
  /** Time a draining process has before it is killed. */
  readonly killAfterMs: number;
  /** One line for the operator about deaths and swaps. */
  readonly log: (line: string) => void;
}

function describeExit({ code, signal }: ProcessExit): string {
  return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
}

export class Supervisor {
  /** Settles when no process is left: 0 after stop(), or the exit code of a process that could not even start. */
  readonly done: Promise<number>;
  readonly #options: SupervisorOptions;
  readonly #slots: WorkerSlot[] = [];
  readonly #hub = new LinkHub();
  readonly #finish: (exitCode: number) => void;
  /** Swaps wait here for each other. */
  #swaps: Promise<void> = Promise.resolve();
  #anyServed = false;
  #stopping: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<number>();
    this.done = promise;
    this.#finish = resolve;
  }

  /** Forks all processes. @returns the addresses once each of them serves; undefined when they could not start. */
  async start(): Promise<ServerUrls | undefined> {
    cluster.setupPrimary({ exec: this.#options.entry, args: [...this.#options.args] });
    for (let slot = 0; slot < this.#options.workers; slot++) this.#slots.push(this.#createSlot());
    const first = this.#slots.flatMap((slot) => slot.processes.map((process) => process.ready));
    const urls = await Promise.all(first);
    return urls.find((each) => each !== undefined);
  }

  /** Swaps every process, one after the other. */
  roll(): Promise<void> {
    for (const slot of this.#slots) this.#enqueueSwap(() => slot.replace());
    return this.#swaps;
  }

  /** Lets every process finish what it accepted, kills those that take too long. Idempotent. */
  stop(exitCode = 0): Promise<void> {
    this.#stopping ??= Promise.all(this.#slots.map((slot) => slot.stop())).then(() => this.#finish(exitCode));
    return this.#stopping;
  }

  /** Ends every process now. */
  kill(): void {
    void this.stop();
    for (const process of this.#processes()) process.kill();
  }

  #processes(): WorkerProcess[] {
    return this.#slots.flatMap((slot) => slot.processes);
  }

  #createSlot(): WorkerSlot {
    const slot: WorkerSlot = new WorkerSlot({
      fork: () => this.#fork((message, process) => this.#receive(message, process, slot)),
      killAfterMs: this.#options.killAfterMs,
      onUnexpectedExit: (process, exit, delayMs) => this.#onUnexpectedExit(process, exit, delayMs),
    });
    return slot;
  }

  #fork(onMessage: (message: FromWorker, process: WorkerProcess) => void): WorkerProcess {
    const worker: Worker = cluster.fork();
    const process: WorkerProcess = new WorkerProcess(worker, (message) => onMessage(message, process));
    guardHandoffs(worker, () => this.#processes().some((other) => other !== process && other.state === 'serving'));
    void process.ready.then((urls) => {
      if (urls !== undefined) this.#anyServed = true;
    });
    void process.exited.then(() => this.#hub.peerGone(process.id));
    return process;
  }

  #receive(message: FromWorker, process: WorkerProcess, slot: WorkerSlot): void {
    switch (message.hotpath) {
      case 'retire':
        this.#enqueueSwap(() => slot.replace(process));
        break;
      case 'broadcast': {
        const peers = this.#processes().filter((peer) => peer !== process && peer.state === 'serving');
        this.#hub.broadcast(process, message.id, message.body, message.timeoutMs, peers);
        break;
      }
      case 'reply':
        this.#hub.reply(message.id, process.id, message.value);
        break;
      case 'reply-error':
        this.#hub.fail(message.id, process.id, message.error);
    }
  }

  #enqueueSwap(swap: () => Promise<void>): void {
    this.#swaps = this.#swaps.then(swap);
  }

  #onUnexpectedExit(process: WorkerProcess, exit: ProcessExit, delayMs: number): boolean {
    // Before anything ever served, an ordered exit with an error is a wrong start (port in use): trying again is no help.
    if (!this.#anyServed && exit.signal === null && exit.code !== 0) {
      void this.stop(exit.code ?? 1);
      return false;
    }
    const when = delayMs === 0 ? 'now' : `in ${delayMs} ms`;
    this.#options.log(`HTTP process ${process.id} ${describeExit(exit)}; its replacement starts ${when}.`);
    return true;
  }
}
