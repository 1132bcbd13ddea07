/** A task as it stands in its file: read with care, because a file may be of another version or half repaired by hand. Called by task-folder.ts. */
import type { Task, TaskState } from '../../ports/task-store.ts';

const states: readonly TaskState[] = ['waiting', 'running', 'done', 'failed', 'cancelled'];

/** The id in lower case names the folder: nothing else may become a path. */
export function isTaskId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

/** Undefined when it is no task, or not the one of this id. */
export function readTask(id: string, text: string): Task | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isTask(value) && value.id === id ? value : undefined;
}

export function writeTask({ cancelAsked: _, ...task }: Task): string {
  return JSON.stringify(task);
}

function isTask(value: unknown): value is Task {
  if (!isObject(value)) return false;
  const {
    id,
    kind,
    model,
    version,
    state,
    progress,
    createdMs,
    startedMs,
    finishedMs,
    request,
    result,
    error,
    deaths,
    losses,
  } = value;
  const times = [createdMs, startedMs ?? 0, finishedMs ?? 0];
  return (
    [id, model, version].every((text) => typeof text === 'string') &&
    kind === 'optimize' &&
    states.includes(state as TaskState) &&
    isObject(progress) &&
    typeof progress.what === 'string' &&
    Number.isFinite(progress.share) &&
    times.every((ms) => isTime(ms)) &&
    isObject(request) &&
    (result === undefined || isObject(result)) &&
    (error === undefined || isError(error)) &&
    Number.isInteger(deaths) &&
    (losses === undefined || Number.isInteger(losses))
  );
}

/** One that `Date` can show. */
function isTime(ms: unknown): boolean {
  return Number.isInteger(ms) && Math.abs(ms as number) <= 8.64e15;
}

function isError(error: unknown): boolean {
  return isObject(error) && typeof error.code === 'string' && typeof error.message === 'string';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
