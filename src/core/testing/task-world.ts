/** Background tasks without a disk or a process: a store in memory that several leaders may share, and a runner that does what a test says. */
import type { TaskOutcome, TaskRunner } from '../../ports/task-runner.ts';
import type { Task, TaskProgress, TaskStore } from '../../ports/task-store.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import { TaskDesk } from '../tasks/task-desk.ts';
import { TaskLeader } from '../tasks/task-leader.ts';

export class MemoryTaskStore implements TaskStore {
  readonly tasks = new Map<string, Task>();
  readonly cancels = new Set<string>();
  readonly droppedWork: string[] = [];
  readonly lines = new Map<string, readonly string[]>();
  /** Every `put`, as `state what`. */
  readonly puts: string[] = [];
  failure: Error | undefined;
  #leased = false;

  async create(task: Task, lines?: Iterable<string>): Promise<void> {
    this.#check();
    this.tasks.set(task.id, task);
    if (lines !== undefined) this.lines.set(task.id, [...lines]);
  }

  async list(): Promise<readonly Task[]> {
    return [...this.tasks.keys()].map((id) => this.#read(id)!);
  }

  async find(id: string): Promise<Task | undefined> {
    return this.#read(id);
  }

  async put(task: Task): Promise<void> {
    this.#check();
    this.puts.push(`${task.state} ${task.progress.what}`);
    this.tasks.set(task.id, task);
  }

  async askCancel(id: string): Promise<void> {
    this.cancels.add(id);
  }

  async report(id: string): Promise<string | undefined> {
    return this.tasks.get(id)?.state === 'done' ? 'report' : undefined;
  }

  async dropWork(id: string): Promise<void> {
    this.droppedWork.push(id);
  }

  async remove(id: string): Promise<void> {
    this.tasks.delete(id);
  }

  async lease() {
    if (this.#leased) return undefined;
    this.#leased = true;
    return { release: async () => this.loseLease() };
  }

  /** As when its holder is killed. */
  loseLease(): void {
    this.#leased = false;
  }

  #read(id: string): Task | undefined {
    const task = this.tasks.get(id);
    return task !== undefined && this.cancels.has(id) ? { ...task, cancelAsked: true } : task;
  }

  #check(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

export interface StartedRun {
  readonly task: Task;
  readonly progress: (progress: TaskProgress) => void;
  /** Settles the run. */
  readonly end: (outcome: TaskOutcome) => void;
  stopped: boolean;
}

/** Of all worlds, so that ids of two processes differ. */
let count = 0;

/** One process of a server: what it runs is recorded, and ends when the test says so, or with `died` when it is stopped. */
export function taskWorld(store = new MemoryTaskStore()) {
  const clock = new SimulatedClock();
  const runs: StartedRun[] = [];
  const log: string[] = [];
  let unixMs = 1000;
  const runner: TaskRunner = {
    run(task, progress) {
      const { promise, resolve } = Promise.withResolvers<TaskOutcome>();
      const run: StartedRun = { task, progress, end: resolve, stopped: false };
      runs.push(run);
      const stop = () => {
        run.stopped = true;
        resolve({ kind: 'died', how: 'signal SIGTERM' });
      };
      return { outcome: promise, stop };
    },
  };
  const note = (_: object, message: string) => void log.push(message);
  const logger = { debug: () => {}, info: note, warn: note, error: note };
  const leader = new TaskLeader({ store, runner, clock, unixMs: () => unixMs, logger });
  const newId = (ms: number) => `${ms}-${count++}`;
  const desk = new TaskDesk({ store, wake: () => leader.wake(), newId, unixMs: () => unixMs++ });
  const submit = (model = 'net', lines?: Iterable<string>) =>
    desk.submit({ kind: 'optimize', model, version: '1', request: { target: 'size' } }, lines);
  return { store, clock, runs, log, leader, desk, submit, settle };
}

/** Everything that follows without time passing. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
