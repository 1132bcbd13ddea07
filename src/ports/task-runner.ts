/** Does the work of one task, outside of this process. Adapter: adapters/processes, composed by server-tasks.ts. */
import type { Task, TaskError, TaskProgress } from './task-store.ts';

export type TaskOutcome =
  | { readonly kind: 'done'; readonly result: Readonly<Record<string, unknown>> }
  /** It said so itself: trying again would not help. */
  | { readonly kind: 'failed'; readonly error: TaskError }
  /** Its process ended without a word. */
  | { readonly kind: 'died'; readonly how: string };

export interface TaskRun {
  /** Never rejects. */
  readonly outcome: Promise<TaskOutcome>;
  /** Ends it soon, whatever it does; then `outcome` settles. Idempotent. */
  stop(): void;
}

export interface TaskRunner {
  /** A task that was run before goes on from what it left. */
  run(task: Task, onProgress: (progress: TaskProgress) => void): TaskRun;
}
