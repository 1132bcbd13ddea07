/**
 * Until when somebody waits for a batch, for engines that can give up in the middle of a run. Made by the batcher per run of such an
 * engine; the tickets in the batch tell it when they leave.
 */
import type { RunLimits } from '../../ports/engine.ts';
import { CancelToken } from '../types.ts';
import type { Batch } from './guarded-pull.ts';
import type { WorkItem } from './ticket.ts';

export class BatchLimits implements RunLimits {
  readonly cancel = new CancelToken();
  readonly deadlineMs: number;
  #waiting: number;

  constructor(batch: Batch<WorkItem>) {
    let deadlineMs = 0;
    for (const { work } of batch.slices) {
      deadlineMs = Math.max(deadlineMs, work.ticket.ownDeadlineMs);
      work.ticket.runs ??= [];
      work.ticket.runs.push(this);
    }
    this.deadlineMs = deadlineMs;
    this.#waiting = batch.slices.length;
  }

  /** One of them failed or was cancelled; its rows are of no use any more. */
  leave(): void {
    this.#waiting--;
    if (this.#waiting === 0) this.cancel.cancel();
  }
}
