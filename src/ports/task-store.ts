/**
 * Where background tasks are kept so that they survive the server: what was asked, how far it is, how it ended. Adapter:
 * adapters/filesystem. Any process may create, read and ask to cancel; only the one that holds the lease changes a task afterwards.
 */

/** `waiting` for its turn or for a server, `running`, and three ends. */
export type TaskState = 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';

export type TaskKind = 'optimize';

export interface TaskProgress {
  /** 0 to 1. */
  readonly share: number;
  /** What is being done, for people. */
  readonly what: string;
}

export interface TaskError {
  /** Of core/errors.ts. */
  readonly code: string;
  readonly message: string;
}

/** All of it is shown to whoever may see the model: no paths, no secrets. */
export interface Task {
  /** UUID version 7, so that ids sort by time. */
  readonly id: string;
  readonly kind: TaskKind;
  readonly model: string;
  /** A version, no label. */
  readonly version: string;
  readonly state: TaskState;
  readonly progress: TaskProgress;
  /** Unix milliseconds. */
  readonly createdMs: number;
  /** Of the first start. */
  readonly startedMs?: number | undefined;
  readonly finishedMs?: number | undefined;
  /** As accepted; what it means is for its kind. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>> | undefined;
  readonly error?: TaskError | undefined;
  /** How often the process that did the work died by itself. */
  readonly deaths: number;
  /** How often the server was gone while it ran, without having put it back. @default 0 */
  readonly losses?: number | undefined;
  /** Somebody wants it to end. Not part of what `put` writes: it is asked by `askCancel`. */
  readonly cancelAsked?: boolean | undefined;
}

/** The right to run tasks and to change them, held by one process at a time. Lost with the process, however that ends. */
export interface TaskLease {
  release(): Promise<void>;
}

export interface TaskStore {
  /**
   * Durable when it resolves; all of it or nothing.
   * @param lines kept beside the task as its input, one per line
   * @throws UNSUPPORTED when nothing can be written.
   */
  create(task: Task, lines?: Iterable<string>): Promise<void>;
  /** In no order. What cannot be read is left out. */
  list(): Promise<readonly Task[]>;
  find(id: string): Promise<Task | undefined>;
  /** With the lease only. Of one task never two at once. */
  put(task: Task): Promise<void>;
  /** For the holder of the lease to see. Idempotent. */
  askCancel(id: string): Promise<void>;
  /** The page that tells people what came out; undefined while there is none. */
  report(id: string): Promise<string | undefined>;
  /** Removes what only a running task needs. */
  dropWork(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  /** Undefined while another process holds it. */
  lease(): Promise<TaskLease | undefined>;
}
