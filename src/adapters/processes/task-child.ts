/**
 * The other end of task-process.ts, in the child: takes the job, yields to whoever serves, tells how far it is, says its last word and goes.
 * Called once by the module of the child. It ends at once when its parent is gone.
 */
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { HotpathError, toHotpathError } from '../../core/errors.ts';
import type { TaskProgress } from '../../ports/task-store.ts';
import type { FromTaskChild } from './task-messages.ts';

export interface TaskTools {
  readonly onProgress: (progress: TaskProgress) => void;
  /** Aborted when the task is to stop. */
  readonly signal: AbortSignal;
}

const progressEveryMs = 250;
/** A tenth of the share of a process of normal priority, where both want to run. */
const niceness = 10;

export function workAsTask<Job>(
  work: (job: Job, tools: TaskTools) => Promise<Readonly<Record<string, unknown>>>,
): void {
  yieldToServers();
  process.once('disconnect', () => process.exit(1));
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort(new HotpathError('CANCELLED', 'The task was stopped.')));
  let toldMs = Number.NEGATIVE_INFINITY;
  const onProgress = (progress: TaskProgress): void => {
    const nowMs = performance.now();
    if (nowMs - toldMs < progressEveryMs) return;
    toldMs = nowMs;
    tell({ progress });
  };
  process.once('message', (job: Job) => {
    work(job, { onProgress, signal: stop.signal }).then(
      (done) => leave({ done }),
      (thrown: unknown) => {
        const { code, message } = toHotpathError(thrown);
        // The server writes it into its log; whoever asked for the task must not see it.
        if (!(thrown instanceof HotpathError)) console.error(thrown);
        leave({ failed: { code, message } });
      },
    );
  });
}

function tell(message: FromTaskChild, then: () => void = () => {}): void {
  process.send?.(message, undefined, undefined, then);
}

function leave(lastWord: FromTaskChild): void {
  tell(lastWord, () => process.exit(0));
}

/** Its own children inherit all of it. */
function yieldToServers(): void {
  attempt(() => setPriority(niceness));
  if (process.platform !== 'linux') return;
  // Where the scheduler groups processes by session, this one has a group of its own, whose niceness counts instead.
  attempt(() => writeFileSync('/proc/self/autogroup', String(niceness)));
  // Should memory run out, the system is to end this one and not the server.
  attempt(() => writeFileSync('/proc/self/oom_score_adj', '500'));
}

function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // Not offered here.
  }
}
