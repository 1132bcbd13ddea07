/**
 * The life of one engine worker as four events: ready or refused, replies, gone. Used by worker-instance.ts, which decides
 * what follows. After `gone` or `abandon()` it never calls back again; it never holds the process open.
 * It must never call Worker.terminate(): a thread terminated inside the runtime's native run() aborts the whole process when
 * the run returns (uncaught Napi::Error, every time, onnxruntime-node 1.30). Threads are asked to end and do so when they can.
 */
import { Worker } from 'node:worker_threads';
import type { SessionSpec } from './session.ts';
import type { RunReply, WorkerGreeting, WorkerRequest } from './worker-protocol.ts';

export interface WorkerThreadEvents {
  onReady(greeting: Extract<WorkerGreeting, { ready: true }>): void;
  /** The session could not be opened; the thread ends by itself. */
  onRefused(reason: string): void;
  onReply(reply: RunReply): void;
  /** The thread died, or its messages cannot be read any more. */
  onGone(cause: unknown): void;
}

export interface WorkerThreadOptions {
  readonly name: string;
  readonly session: SessionSpec;
  /** Sees every worker started; lets tests end threads from outside. */
  readonly onWorkerStart?: ((worker: Worker) => void) | undefined;
}

/** The sibling in the language this file runs in: .ts from a checkout, .js from the package. */
const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

export class WorkerThread {
  readonly #worker: Worker;
  #events: WorkerThreadEvents | undefined;
  #greeted = false;
  /** Settles when the operating system's thread has ended. */
  readonly ended: Promise<void>;

  constructor(options: WorkerThreadOptions, events: WorkerThreadEvents) {
    this.#events = events;
    this.#worker = new Worker(entry, { workerData: options.session, name: options.name });
    this.ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.#worker.on('message', (message) => this.#receive(message));
    this.#worker.on('messageerror', (error) => this.#lose(error));
    this.#worker.on('error', (error) => this.#lose(error));
    this.#worker.on('exit', (code) => this.#lose(new Error(`the worker ended with code ${code}`)));
    this.#worker.unref();
    options.onWorkerStart?.(this.#worker);
  }

  post(message: WorkerRequest, transfer: ArrayBuffer[]): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Lets the thread free its session and end; one that has not ended after `timeoutMs` is left to end when it can. */
  async stop(timeoutMs: number): Promise<void> {
    this.abandon();
    this.#worker.ref();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.ended, late]);
    clearTimeout(timer);
    this.#worker.unref();
  }

  /** Forgets the thread: no more events from it, and it ends as soon as it is back from native code. */
  abandon(): void {
    this.#events = undefined;
    this.#worker.postMessage(null);
  }

  #receive(message: WorkerGreeting | RunReply): void {
    if (this.#greeted) {
      this.#events?.onReply(message as RunReply);
      return;
    }
    this.#greeted = true;
    const greeting = message as WorkerGreeting;
    if (greeting.ready) {
      this.#events?.onReady(greeting);
      return;
    }
    const events = this.#events;
    this.#events = undefined;
    events?.onRefused(greeting.reason);
  }

  #lose(cause: unknown): void {
    const events = this.#events;
    if (events === undefined) return;
    this.abandon();
    events.onGone(cause);
  }
}
