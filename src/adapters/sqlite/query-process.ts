/**
 * SELECTs of operators on SQLite, one after the other, in a process of their own that is killed when one takes too long; the next call
 * starts another. Made by sqlite-database.ts, started by the first call.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HotpathError } from '../../core/errors.ts';
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import type { SqlValue } from '../../ports/database.ts';
import type { PoolStatus } from '../../ports/pool-status.ts';
import { fromSqlite } from './sqlite-errors.ts';
import type { JobResult, ThreadGreeting, ThreadRequest } from './thread-messages.ts';

export type ReadRows = readonly Readonly<Record<string, unknown>>[];

interface Read {
  readonly sql: string;
  readonly values: readonly SqlValue[];
  readonly resolve: (rows: ReadRows) => void;
  readonly reject: (error: Error) => void;
  readonly askedAt: number;
  timer: TimerHandle | undefined;
}

const entry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './query-child.ts' : './query-child.js', import.meta.url),
);

export class QueryProcess {
  readonly #file: string;
  readonly #clock: Clock;
  #child: ChildProcess | undefined;
  #ready = false;
  #running: Read | undefined;
  readonly #queue: Read[] = [];
  #closed = false;
  #acquired = 0;
  #waitedMs = 0;
  #timeouts = 0;
  #recycled = 0;
  #errors = 0;
  #lastError: string | undefined;

  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  /** @throws DEADLINE_EXCEEDED after `timeoutMs`, waiting included. */
  read(sql: string, values: readonly SqlValue[], timeoutMs: number): Promise<ReadRows> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new HotpathError('SHUTTING_DOWN', 'The database is closed.');
      const read: Read = { sql, values, resolve, reject, askedAt: this.#clock.now(), timer: undefined };
      read.timer = this.#clock.after(timeoutMs, () => this.#expire(read, timeoutMs));
      this.#queue.push(read);
      if (this.#child === undefined) this.#start();
      this.#pump();
    });
  }

  status(): PoolStatus {
    const size = this.#child === undefined ? 0 : 1;
    const inUse = this.#running === undefined ? 0 : 1;
    return {
      kind: 'sqlite',
      name: 'queries sqlite',
      size,
      maxSize: 1,
      inUse,
      idle: Math.max(0, size - inUse),
      waiting: this.#queue.length,
      acquired: this.#acquired,
      waitedMs: this.#waitedMs,
      timeouts: this.#timeouts,
      recycled: this.#recycled,
      errors: this.#errors,
      lastError: this.#lastError,
      breaker: undefined,
    };
  }

  /** What runs is given up: it only reads. */
  async close(): Promise<void> {
    this.#closed = true;
    const child = this.#child;
    const error = new HotpathError('SHUTTING_DOWN', 'The database is closed.');
    this.#loseAll(error);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.ref();
    child.kill('SIGKILL');
    await ended;
  }

  #start(): void {
    // No environment: what it may hold, such as credentials, is none of its business.
    const child = fork(entry, [this.#file], {
      env: {},
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child = child;
    this.#ready = false;
    child.once('message', (greeting) => this.#greet(child, greeting as ThreadGreeting));
    child.on('error', (error) => this.#lose(child, error));
    child.once('exit', () => this.#lose(child, new Error('the process ended')));
  }

  #greet(child: ChildProcess, greeting: ThreadGreeting): void {
    if (this.#child !== child) return;
    if (!greeting.ready) {
      this.#lose(child, fromSqlite(greeting.error));
      child.kill('SIGKILL');
      return;
    }
    this.#ready = true;
    child.on('message', (results) => this.#settle(child, results as unknown as readonly JobResult[]));
    this.#pump();
  }

  #pump(): void {
    if (!this.#ready || this.#running !== undefined) return;
    const read = this.#queue.shift();
    if (read === undefined) {
      // An idle child holds no process open.
      this.#child!.unref();
      this.#child!.channel?.unref();
      return;
    }
    this.#child!.ref();
    this.#child!.channel?.ref();
    this.#running = read;
    this.#acquired++;
    this.#waitedMs += this.#clock.now() - read.askedAt;
    const { sql, values } = read;
    this.#child!.send([{ kind: 'read', sql, values }] satisfies ThreadRequest as object);
  }

  #settle(child: ChildProcess, [result]: readonly JobResult[]): void {
    const read = this.#running;
    if (this.#child !== child || read === undefined) return;
    this.#running = undefined;
    this.#clock.clear(read.timer!);
    if (result!.ok) read.resolve(result!.value as ReadRows);
    else this.#refuse(read, fromSqlite(result!.error));
    this.#pump();
  }

  #expire(read: Read, timeoutMs: number): void {
    this.#timeouts++;
    this.#refuse(read, new HotpathError('DEADLINE_EXCEEDED', `The query took longer than ${timeoutMs} ms.`));
    if (this.#running !== read) {
      const index = this.#queue.indexOf(read);
      if (index !== -1) this.#queue.splice(index, 1);
      return;
    }
    this.#running = undefined;
    this.#recycled++;
    this.#child!.kill('SIGKILL');
    this.#child = undefined;
    this.#ready = false;
    if (this.#queue.length > 0) this.#start();
  }

  #lose(child: ChildProcess, cause: Error): void {
    if (this.#child !== child) return;
    this.#recycled++;
    this.#loseAll(
      cause instanceof HotpathError
        ? cause
        : new HotpathError('INTERNAL', 'The process that reads the database ended.', undefined, { cause }),
    );
  }

  #loseAll(error: Error): void {
    this.#child = undefined;
    this.#ready = false;
    const lost = [...(this.#running === undefined ? [] : [this.#running]), ...this.#queue.splice(0)];
    this.#running = undefined;
    for (const { reject, timer } of lost) {
      this.#clock.clear(timer!);
      reject(error);
    }
  }

  #refuse(read: Read, error: Error): void {
    this.#errors++;
    this.#lastError = error.message;
    read.reject(error);
  }
}
