/**
 * The states of a background task and the ways between them, as pure functions: waiting -> running -> done, failed or cancelled, and from
 * running back to waiting when the server stops or the work's process dies. Called by task-desk.ts and task-leader.ts.
 */
import type { Task, TaskError, TaskProgress, TaskState } from '../../ports/task-store.ts';

/** After so many deaths of its process a task is not tried again. */
export const mostDeaths = 2;
/** Nor after its server was gone so often while it ran: machines and releases end servers too, but seldom five times in one task. */
const mostLosses = 5;

export type NewTask = Pick<Task, 'id' | 'kind' | 'model' | 'version' | 'createdMs' | 'request'>;

export function isEnded({ state }: Pick<Task, 'state'>): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

export function newTask(asked: NewTask): Task {
  return { ...asked, state: 'waiting', progress: { share: 0, what: 'waiting' }, deaths: 0 };
}

/** The progress of an earlier run stays until the work says where it goes on. */
export function started(task: Task, nowMs: number): Task {
  const progress = { ...task.progress, what: 'starting' };
  return { ...task, state: 'running', startedMs: task.startedMs ?? nowMs, progress };
}

export function progressed(task: Task, { share, what }: TaskProgress): Task {
  return { ...task, progress: { share: Math.min(1, Math.max(0, share)), what } };
}

export function succeeded(task: Task, result: NonNullable<Task['result']>, nowMs: number): Task {
  return { ...ended(task, 'done', nowMs), progress: { share: 1, what: 'done' }, result };
}

export function failed(task: Task, error: TaskError, nowMs: number): Task {
  return { ...ended(task, 'failed', nowMs), error };
}

export function cancelled(task: Task, nowMs: number): Task {
  return ended(task, 'cancelled', nowMs);
}

/** Its server stopped or died: no fault of the task, so it goes on when there is one again. */
export function interrupted(task: Task): Task {
  return { ...task, state: 'waiting', progress: { ...task.progress, what: 'waiting to go on' } };
}

/** The work's process ended by itself. Once may be bad luck, such as the system being short of memory. */
export function died(task: Task, how: string, nowMs: number): Task {
  const deaths = task.deaths + 1;
  if (deaths < mostDeaths) return { ...interrupted(task), deaths };
  const message = `The process that did the work died ${deaths} times, the last time by ${how}; it is not tried again.`;
  return failed({ ...task, deaths }, { code: 'ENGINE_CRASHED', message }, nowMs);
}

/** Left running by a server that is gone. Its fault or not, it must not take down one server after the other. */
export function lost(task: Task, nowMs: number): Task {
  const losses = (task.losses ?? 0) + 1;
  if (losses < mostLosses) return { ...interrupted(task), losses };
  const message = `The server was killed or crashed ${losses} times while it ran; it is not tried again.`;
  return failed({ ...task, losses }, { code: 'ENGINE_CRASHED', message }, nowMs);
}

/** First come, first served; what was interrupted came before what still waits. */
export function nextWaiting(tasks: readonly Task[]): Task | undefined {
  const waiting = tasks.filter(({ state, cancelAsked }) => state === 'waiting' && cancelAsked !== true);
  return waiting.sort((a, b) => -newestFirst(a, b))[0];
}

/** For `sort`. */
export function newestFirst(a: Task, b: Task): number {
  return b.createdMs - a.createdMs || (a.id < b.id ? 1 : -1);
}

/** Ended tasks beyond the newest `kept`. */
export function outdated(tasks: readonly Task[], kept: number): readonly Task[] {
  return tasks.filter(isEnded).sort(newestFirst).slice(kept);
}

function ended(task: Task, state: TaskState, nowMs: number): Task {
  const { cancelAsked: _, ...rest } = task;
  return { ...rest, state, finishedMs: nowMs };
}
