/**
 * Where background tasks are asked for, looked at and called off: in any process, whichever one runs them. Made by server-tasks.ts, called
 * by the admin routes. It never runs a task and changes none that was accepted: that is for the leader, which it wakes.
 */
import type { Task, TaskStore } from '../../ports/task-store.ts';
import { HotpathError } from '../errors.ts';
import { isEnded, type NewTask, newestFirst, newTask } from './transitions.ts';

export interface TaskDeskDeps {
  readonly store: TaskStore;
  /** Has the leader look at the store, if it is in this process; resolves when it did. */
  readonly wake: () => Promise<void>;
  readonly newId: (unixMs: number) => string;
  readonly unixMs: () => number;
}

/** Each may take many minutes: a longer queue is a mistake of whoever asks. */
const mostUnfinished = 100;

export class TaskDesk {
  readonly #deps: TaskDeskDeps;

  constructor(deps: TaskDeskDeps) {
    this.#deps = deps;
  }

  /** Durable when it resolves. @throws OVERLOADED, UNSUPPORTED. */
  async submit(asked: Omit<NewTask, 'id' | 'createdMs'>, lines?: Iterable<string>): Promise<Task> {
    const { store, wake, newId, unixMs } = this.#deps;
    const unfinished = (await store.list()).filter((task) => !isEnded(task)).length;
    if (unfinished >= mostUnfinished) {
      const message = `${unfinished} tasks wait already; cancel some, or ask again when they are done.`;
      throw new HotpathError('OVERLOADED', message, { retryAfterSeconds: 60 });
    }
    const createdMs = unixMs();
    const task = newTask({ ...asked, id: newId(createdMs), createdMs });
    await store.create(task, lines);
    void wake();
    return task;
  }

  /** Newest first. */
  async list(): Promise<readonly Task[]> {
    return [...(await this.#deps.store.list())].sort(newestFirst);
  }

  find(id: string): Promise<Task | undefined> {
    return this.#deps.store.find(id);
  }

  report(id: string): Promise<string | undefined> {
    return this.#deps.store.report(id);
  }

  /** The task as it is then: one that runs takes a moment to end, one that has ended stays as it is. Undefined: there is none. */
  async cancel(id: string): Promise<Task | undefined> {
    const { store, wake } = this.#deps;
    const task = await store.find(id);
    if (task === undefined || isEnded(task)) return task;
    await store.askCancel(id);
    await wake();
    return store.find(id);
  }
}
