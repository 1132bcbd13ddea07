/**
 * One place among the N HTTP processes: keeps it filled, and swaps its process without a gap (the next one listens before the
 * old one drains). Owned by supervisor.ts, which decides when to swap and that only one slot does so at a time.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { RestartPolicy } from './restart-policy.ts';
import type { ProcessExit, WorkerProcess } from './worker-process.ts';

export interface SlotOptions {
  readonly fork: () => WorkerProcess;
  /** Time a draining process has before it is killed. */
  readonly killAfterMs: number;
  /** Told of every end that was not ordered; returns whether to fill the slot again. */
  readonly onUnexpectedExit: (process: WorkerProcess, exit: ProcessExit, restartDelayMs: number) => boolean;
}

export class WorkerSlot {
  readonly #options: SlotOptions;
  readonly #policy = new RestartPolicy();
  #current: WorkerProcess | undefined;
  /** The replacement while it starts; never drained processes, those are on their own. */
  #next: WorkerProcess | undefined;
  readonly #draining = new Set<WorkerProcess>();
  #restart: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#current = this.#fork();
  }

  /** Everything alive in this slot. */
  get processes(): readonly WorkerProcess[] {
    return [this.#current, this.#next, ...this.#draining].filter((process) => process !== undefined);
  }

  /**
   * Starts a replacement, and drains the old process once it serves. Tries again, ever later, while replacements die; the old
   * one serves meanwhile.
   * @param old replaced only if it still holds the slot; undefined: whoever holds it.
   */
  async replace(old: WorkerProcess | undefined = this.#current): Promise<void> {
    while (old !== undefined && old === this.#current && !this.#stopping) {
      const next = this.#fork();
      this.#next = next;
      if ((await next.ready) === undefined) {
        const { livedMs } = await next.exited;
        await delay(this.#policy.delayAfterDeath(livedMs), undefined, { ref: false });
        continue;
      }
      // Otherwise the old one died meanwhile and #onExit has moved the next one up already.
      if (this.#next !== next) return;
      this.#next = undefined;
      this.#current = next;
      await this.#drain(old);
    }
  }

  /** Drains all processes of the slot for good. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    await Promise.all(this.processes.map((process) => this.#drain(process)));
  }

  async #drain(process: WorkerProcess): Promise<void> {
    this.#draining.add(process);
    await process.drain(this.#options.killAfterMs);
    this.#draining.delete(process);
  }

  #fork(): WorkerProcess {
    const process = this.#options.fork();
    void process.exited.then((exit) => this.#onExit(process, exit));
    return process;
  }

  #onExit(process: WorkerProcess, exit: ProcessExit): void {
    if (process === this.#next) this.#next = undefined;
    if (process !== this.#current) return;
    this.#current = this.#next;
    this.#next = undefined;
    if (this.#stopping) return;
    const delayMs = this.#current === undefined ? this.#policy.delayAfterDeath(exit.livedMs) : 0;
    const refill = this.#options.onUnexpectedExit(process, exit, delayMs) && this.#current === undefined;
    if (refill && delayMs === 0) this.#current = this.#fork();
    else if (refill) this.#restart = setTimeout(() => this.#refill(), delayMs);
  }

  #refill(): void {
    if (!this.#stopping && this.#current === undefined) this.#current = this.#fork();
  }
}
