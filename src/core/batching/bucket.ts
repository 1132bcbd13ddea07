/** Requests that may share a batch: one model, one row shape. A queue and what batches of this shape cost. */
import type { CostModel } from './cost-model.ts';
import { goesBefore, type Work, WorkQueue } from './work-queue.ts';

export class Bucket<W extends Work> {
  readonly queue = new WorkQueue<W>();
  readonly cost: CostModel;

  constructor(cost: CostModel) {
    this.cost = cost;
  }
}

/** The bucket whose head goes first; undefined when all are empty. */
export function mostUrgent<W extends Work>(buckets: readonly Bucket<W>[]): Bucket<W> | undefined {
  let best: Bucket<W> | undefined;
  let bestHead: W | undefined;
  for (const bucket of buckets) {
    const head = bucket.queue.peek();
    if (head !== undefined && (bestHead === undefined || goesBefore(head, bestHead))) {
      best = bucket;
      bestHead = head;
    }
  }
  return best;
}
