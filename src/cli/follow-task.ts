/** A background task until its end, as a bar on standard error and its end on standard output. Called by `tasks` and `optimize --background`. */
import { setTimeout as delay } from 'node:timers/promises';
import { type AdminTarget, askAdmin } from './ask-admin.ts';
import type { ExitCode } from './command.ts';
import { ProgressLine, renderShare } from './progress-line.ts';
import { renderTask } from './task-text.ts';
import type { TaskView } from './task-view.ts';
import type { Terminal } from './terminal.ts';

export interface Following {
  readonly target: AdminTarget;
  readonly json: boolean;
  readonly terminal: Terminal;
}

const askEveryMs = 500;
/** As `hotpath optimize` ends. */
const keptOriginal = 3;

/** Leaving does not end the task. @throws AskError */
export async function followTask({ target, json, terminal }: Following, id: string): Promise<ExitCode> {
  const stream = terminal.errStream ?? { write: (text: string) => terminal.err(text.trimEnd()) };
  const line = new ProgressLine(stream, () => performance.now());
  let task: TaskView;
  try {
    for (;;) {
      task = await fetchTask(target, id);
      if (isEnded(task)) break;
      line.show(renderShare(task.progress.share, task.progress.what));
      await delay(askEveryMs);
    }
  } finally {
    line.clear();
  }
  terminal.out(json ? JSON.stringify(task, undefined, 2) : renderTask(task, terminal.style));
  return exitCodeOf(task);
}

export async function fetchTask(target: AdminTarget, id: string): Promise<TaskView> {
  return (await askAdmin(target, `/admin/tasks/${encodeURIComponent(id)}`)) as TaskView;
}

export function isEnded({ state }: TaskView): boolean {
  return state !== 'waiting' && state !== 'running';
}

function exitCodeOf({ state, result }: TaskView): ExitCode {
  if (state !== 'done') return 1;
  return result?.chosen === null ? keptOriginal : 0;
}
