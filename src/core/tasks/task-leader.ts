/**
 * Runs background tasks, one at a time, in the one process that holds the store's lease; in all others it waits for the lease, so that a
 * process which dies or is replaced has a successor. Made by server-tasks.ts. Owns the run in progress; `close` ends that one and puts its
 * task back to waiting. What it knows is in the store: it keeps nothing that a crash could take.
 */
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { TaskOutcome, TaskRun, TaskRunner } from '../../ports/task-runner.ts';
import type { Task, TaskLease, TaskProgress, TaskState, TaskStore } from '../../ports/task-store.ts';
import {
  cancelled,
  died,
  failed,
  interrupted,
  isEnded,
  lost,
  nextWaiting,
  outdated,
  progressed,
  started,
  succeeded,
} from './transitions.ts';

export interface TaskLeaderDeps {
  readonly store: TaskStore;
  readonly runner: TaskRunner;
  readonly clock: Clock;
  readonly unixMs: () => number;
  readonly logger: Logger;
}

/** Tasks and cancellations of other processes are seen after so long at the latest; those of this process at once. */
const lookEveryMs = 1000;
const noteEveryMs = 1000;
/** Ended tasks that are kept. */
const mostEnded = 100;

interface Current {
  task: Task;
  readonly run: TaskRun;
  /** Why it was told to stop. */
  stopping: 'cancelled' | 'closing' | undefined;
  notedMs: number;
  readonly ended: Promise<void>;
}

export type TaskCounts = Readonly<Record<TaskState, number>>;

export class TaskLeader {
  readonly #deps: TaskLeaderDeps;
  #lease: TaskLease | undefined;
  #current: Current | undefined;
  #look: Promise<void> | undefined;
  #lookAgain = false;
  #timer: TimerHandle | undefined;
  #writes: Promise<void> = Promise.resolve();
  /** Looks and ends of runs take turns: a look must not judge by what it read before an end. */
  #turn: Promise<unknown> = Promise.resolve();
  #failing = false;
  #counts: TaskCounts | undefined;
  #closed: Promise<void> | undefined;

  constructor(deps: TaskLeaderDeps) {
    this.#deps = deps;
  }

  /** How many tasks there are in each state; undefined where another process leads or there never was one. */
  get counts(): TaskCounts | undefined {
    return this.#counts;
  }

  /** Looks at the store now, and from then on once a second. Resolves after the look; never rejects. */
  wake(): Promise<void> {
    if (this.#closed !== undefined) return Promise.resolve();
    if (this.#look !== undefined) {
      this.#lookAgain = true;
      return this.#look;
    }
    if (this.#timer !== undefined) this.#deps.clock.clear(this.#timer);
    this.#look = this.#lookUntilSettled();
    return this.#look;
  }

  /** The run in progress is ended and its task waits for the next leader. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#timer !== undefined) this.#deps.clock.clear(this.#timer);
    await this.#look;
    if (this.#current !== undefined) this.#stop(this.#current, 'closing');
    await this.#current?.ended;
    await this.#lease?.release();
  }

  async #lookUntilSettled(): Promise<void> {
    try {
      do {
        this.#lookAgain = false;
        await this.#inTurn(() => this.#lookOnce());
      } while (this.#lookAgain && this.#closed === undefined);
      this.#failing = false;
    } catch (error) {
      // A disk that is full or away: said once, tried again every second.
      if (!this.#failing) this.#deps.logger.warn({ err: error }, 'background tasks cannot be looked after');
      this.#failing = true;
    } finally {
      // In the same breath as the last question whether to look again: nobody who wakes is overheard.
      this.#look = undefined;
      if (this.#closed === undefined) this.#timer = this.#deps.clock.after(lookEveryMs, () => void this.wake());
    }
  }

  async #lookOnce(): Promise<void> {
    const { store } = this.#deps;
    if (this.#lease === undefined && !(await this.#takeLease())) return;
    const tasks = await Promise.all((await store.list()).map((task) => this.#attend(task)));
    if (this.#closed === undefined && this.#current === undefined) {
      const next = nextWaiting(tasks);
      if (next !== undefined) await this.#begin(next);
    }
    for (const { id } of outdated(tasks, mostEnded)) await store.remove(id);
    const current = this.#current?.task;
    this.#counts = countStates(tasks.map((task) => (task.id === current?.id ? current : task)));
  }

  async #takeLease(): Promise<boolean> {
    const { store } = this.#deps;
    this.#lease = await store.lease();
    if (this.#lease === undefined) return false;
    // A leader that died between an end and its cleaning up.
    for (const task of await store.list()) if (isEnded(task)) await store.dropWork(task.id);
    return true;
  }

  /** Brings one task to where it belongs. */
  async #attend(task: Task): Promise<Task> {
    const isCurrent = this.#current?.task.id === task.id;
    if (isEnded(task)) return task;
    if (isCurrent) {
      if (task.cancelAsked === true) this.#stop(this.#current!, 'cancelled');
      return this.#current!.task;
    }
    if (task.cancelAsked === true) return this.#end(cancelled(task, this.#deps.unixMs()));
    if (task.state !== 'running') return task;
    const next = lost(task, this.#deps.unixMs());
    if (isEnded(next)) return this.#end(next);
    await this.#write(next);
    return next;
  }

  async #begin(waiting: Task): Promise<void> {
    const { runner, unixMs, logger } = this.#deps;
    const task = started(waiting, unixMs());
    await this.#write(task);
    logger.info(fieldsOf(task), 'background task started');
    const run = runner.run(task, (progress) => this.#progress(progress));
    const ended = run.outcome.then((outcome) => this.#inTurn(() => this.#finish(outcome)));
    this.#current = { task, run, stopping: undefined, notedMs: Number.NEGATIVE_INFINITY, ended };
  }

  #progress(progress: TaskProgress): void {
    const current = this.#current;
    if (current === undefined) return;
    current.task = progressed(current.task, progress);
    const nowMs = this.#deps.clock.now();
    if (nowMs - current.notedMs < noteEveryMs) return;
    current.notedMs = nowMs;
    this.#write(current.task).catch(() => {
      // The next one, or the end of the task, tries again.
    });
  }

  #stop(current: Current, why: 'cancelled' | 'closing'): void {
    current.stopping ??= why;
    current.run.stop();
  }

  async #finish(outcome: TaskOutcome): Promise<void> {
    const { task, stopping } = this.#current!;
    const next = afterRun(task, outcome, stopping, this.#deps.unixMs());
    try {
      await (isEnded(next) ? this.#end(next) : this.#write(next));
    } catch (error) {
      // It still says `running` in the store, and so is tried again.
      this.#deps.logger.error({ ...fieldsOf(next), err: error }, 'the end of a background task could not be kept');
    }
    this.#current = undefined;
    void this.wake();
  }

  async #end(task: Task): Promise<Task> {
    const { store, logger } = this.#deps;
    await this.#write(task);
    logger.info({ ...fieldsOf(task), state: task.state, error: task.error }, 'background task ended');
    await store.dropWork(task.id);
    return task;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** One after the other, so that no progress is written over an end. */
  #write(task: Task): Promise<void> {
    const write = this.#writes.then(() => this.#deps.store.put(task));
    this.#writes = write.catch(() => {});
    return write;
  }
}

/** Who was done before he could be stopped is done. */
function afterRun(task: Task, outcome: TaskOutcome, stopping: Current['stopping'], nowMs: number): Task {
  if (outcome.kind === 'done') return succeeded(task, outcome.result, nowMs);
  if (stopping === 'cancelled') return cancelled(task, nowMs);
  if (stopping === 'closing') return interrupted(task);
  return outcome.kind === 'failed' ? failed(task, outcome.error, nowMs) : died(task, outcome.how, nowMs);
}

function fieldsOf({ id, kind, model, version }: Task) {
  return { task: id, kind, model, version };
}

function countStates(tasks: readonly Task[]): TaskCounts {
  const counts = { waiting: 0, running: 0, done: 0, failed: 0, cancelled: 0 };
  for (const { state } of tasks) counts[state]++;
  return counts;
}
