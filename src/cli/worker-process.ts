/**
 * One forked HTTP process as the supervisor sees it: when it is ready, when it is gone, and how to send it home.
 * Made by supervisor.ts, held by worker-slot.ts. Must never decide about restarts.
 */
import type { Worker } from 'node:cluster';
import type { HubPeer } from './link-hub.ts';
import type { ServerUrls } from './server-contract.ts';
import { type FromWorker, isLinkMessage, type ToWorker } from './worker-messages.ts';

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** From fork to end. */
  readonly livedMs: number;
}

export class WorkerProcess implements HubPeer {
  readonly id: number;
  /** Its addresses once it listens, or undefined when it ended before. */
  readonly ready: Promise<ServerUrls | undefined>;
  readonly exited: Promise<ProcessExit>;
  /** `serving` from ready until drain or death. */
  state: 'starting' | 'serving' | 'draining' | 'gone' = 'starting';
  readonly #worker: Worker;

  constructor(worker: Worker, onMessage: (message: FromWorker) => void) {
    this.#worker = worker;
    this.id = worker.id;
    const startedMs = performance.now();
    const ready = Promise.withResolvers<ServerUrls | undefined>();
    this.ready = ready.promise;
    this.exited = new Promise((resolve) => {
      worker.once('exit', (code, signal) => {
        this.state = 'gone';
        ready.resolve(undefined);
        resolve({ code, signal, livedMs: performance.now() - startedMs });
      });
    });
    // A channel that breaks while a process dies: its exit event says all there is to say.
    worker.on('error', () => {});
    worker.on('message', (raw: unknown) => {
      if (!isLinkMessage(raw)) return;
      const message = raw as FromWorker;
      if (message.hotpath === 'ready') {
        if (this.state === 'starting') this.state = 'serving';
        ready.resolve({ url: message.url, grpcUrl: message.grpcUrl, adminUrl: message.adminUrl });
      } else onMessage(message);
    });
  }

  send(message: ToWorker): boolean {
    if (this.state === 'gone' || !this.#worker.isConnected()) return false;
    this.#worker.send(message, undefined, () => {});
    return true;
  }

  /** Finish what was accepted and go; killed when it takes longer. */
  async drain(killAfterMs: number): Promise<void> {
    if (this.state === 'gone') return;
    this.state = 'draining';
    this.send({ hotpath: 'drain' });
    const timer = setTimeout(() => this.kill(), killAfterMs);
    await this.exited;
    clearTimeout(timer);
  }

  kill(): void {
    if (this.state !== 'gone') this.#worker.process.kill('SIGKILL');
  }
}
