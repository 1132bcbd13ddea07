/** What a task's process and its parent say to each other, as JSON over Node's IPC channel. Types only. */
import type { TaskError, TaskProgress } from '../../ports/task-store.ts';

/** The first message is the job itself; then only the child speaks, and the last word ends it. */
export type FromTaskChild =
  | { readonly progress: TaskProgress }
  | { readonly done: Readonly<Record<string, unknown>> }
  | { readonly failed: TaskError };
