/**
 * The calling side of a thread with a SQLite connection: calls that arrive while a group runs go into the next one. Made by
 * sqlite-database.ts, one for writing and one for reading. It must never call Worker.terminate(), which would wait for the running
 * statement anyway (a query that counts for 20 s held it for 20 s): the thread is asked to end after its last group.
 *
 * A thread that dies takes its calls with it (they reject, and may be repeated: inserts leave what is there already); the next call
 * starts a new one, but not again and again: when two died in a row, calls are refused for a while.
 */
import { Worker } from 'node:worker_threads';
import { HotpathError } from '../../core/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { fromSqlite } from './sqlite-errors.ts';
import type { JobResult, ThreadGreeting, ThreadJob, ThreadOptions, ThreadRequest } from './thread-messages.ts';

interface Call {
  readonly job: ThreadJob;
  readonly sentAt: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface SqlThreadOptions extends ThreadOptions {
  readonly clock: Clock;
  /** A thread died, with why. */
  readonly onDeath?: (cause: unknown) => void;
  /** Sees every worker started; lets tests end threads from outside. */
  readonly onWorkerStart?: ((worker: Worker) => void) | undefined;
}

/** Bounds how long one caller waits for the others of its group. */
const callsPerGroup = 64;
const refuseAfterDeathsMs = 10_000;
/** The sibling in the language this file runs in: .ts from a checkout, .js from the package. */
export const threadEntry = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url);

export class SqlThread {
  readonly #options: SqlThreadOptions;
  #worker: Worker | undefined;
  #ready = false;
  readonly #queue: Call[] = [];
  #running: readonly Call[] | undefined;
  #deathsInRow = 0;
  #refuseUntil = 0;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;
  #onOpened: { resolve(): void; reject(error: Error): void } | undefined;
  calls = 0;
  waitedMs = 0;
  errors = 0;
  deaths = 0;
  lastError: string | undefined;

  constructor(options: SqlThreadOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get isBusy(): boolean {
    return this.#running !== undefined;
  }

  /** Resolves when the file is open. @throws HotpathError when it cannot be opened. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onOpened = { resolve, reject };
      this.#start();
    });
  }

  /** Resolves when the job's transaction is committed. */
  submit(job: ThreadJob): Promise<unknown> {
    if (this.#closing !== undefined)
      return Promise.reject(new HotpathError('SHUTTING_DOWN', 'The database is closed.'));
    const now = this.#options.clock.now();
    if (this.#worker === undefined && now < this.#refuseUntil) {
      return Promise.reject(
        new HotpathError('OVERLOADED', 'The database failed twice and is opened again shortly.', {
          retryAfterSeconds: 10,
        }),
      );
    }
    return new Promise((resolve, reject) => {
      this.calls++;
      this.#queue.push({ job, sentAt: now, resolve, reject });
      if (this.#worker === undefined) this.#start();
      else this.#pump();
    });
  }

  /** Finishes what was submitted, then the thread ends. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    if (this.#running !== undefined || this.#queue.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined) return;
    worker.removeAllListeners();
    // What is left to go wrong is the closing of the file, after everything was committed.
    worker.on('error', () => {});
    worker.ref();
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage(null satisfies ThreadRequest);
    await ended;
  }

  #start(): void {
    const { file, mode } = this.#options;
    const worker = new Worker(threadEntry, {
      workerData: { file, mode } satisfies ThreadOptions,
      name: `sqlite-${mode}`,
    });
    this.#worker = worker;
    this.#ready = false;
    worker.once('message', (greeting: ThreadGreeting) => this.#greet(worker, greeting));
    worker.on('error', (error) => this.#lose(worker, error));
    worker.on('exit', () => this.#lose(worker, new Error('the thread ended')));
    this.#options.onWorkerStart?.(worker);
  }

  #greet(worker: Worker, greeting: ThreadGreeting): void {
    if (!greeting.ready) {
      this.#lose(worker, fromSqlite(greeting.error));
      return;
    }
    this.#ready = true;
    worker.on('message', (results: readonly JobResult[]) => this.#settle(results));
    this.#onOpened?.resolve();
    this.#onOpened = undefined;
    this.#pump();
  }

  #pump(): void {
    if (this.#running !== undefined || !this.#ready) return;
    if (this.#queue.length === 0) {
      // An idle thread holds no process open.
      this.#worker?.unref();
      this.#onIdle?.();
      return;
    }
    this.#worker!.ref();
    const calls = this.#queue.splice(0, callsPerGroup);
    this.#running = calls;
    const now = this.#options.clock.now();
    for (const { sentAt } of calls) this.waitedMs += now - sentAt;
    const transfer = calls.flatMap(({ job }) => (job.kind === 'insert' ? [job.packed.buffer as ArrayBuffer] : []));
    this.#worker!.postMessage(calls.map(({ job }) => job) satisfies ThreadRequest, transfer);
  }

  #settle(results: readonly JobResult[]): void {
    const calls = this.#running!;
    this.#running = undefined;
    this.#deathsInRow = 0;
    for (const [index, { resolve, reject }] of calls.entries()) {
      const result = results[index]!;
      if (result.ok) resolve(result.value);
      else {
        const error = fromSqlite(result.error);
        this.#count(error);
        reject(error);
      }
    }
    this.#pump();
  }

  #count(error: Error): void {
    this.errors++;
    this.lastError = error.message;
  }

  #lose(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#ready = false;
    this.deaths++;
    if (++this.#deathsInRow >= 2) this.#refuseUntil = this.#options.clock.now() + refuseAfterDeathsMs;
    const error =
      cause instanceof HotpathError
        ? cause
        : new HotpathError('INTERNAL', 'The thread of the database ended in the middle of its work.', undefined, {
            cause,
          });
    this.#count(error);
    const lost = [...(this.#running ?? []), ...this.#queue.splice(0)];
    this.#running = undefined;
    for (const { reject } of lost) reject(error);
    const opening = this.#onOpened;
    this.#onOpened = undefined;
    if (opening === undefined) this.#options.onDeath?.(cause);
    else opening.reject(error);
    this.#onIdle?.();
  }
}
