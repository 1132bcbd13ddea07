/**
 * One request inside the batcher, and the pieces of work it becomes. A request is answered when its last row is, and
 * fails once, with the first thing that goes wrong; what its other rows do afterwards is ignored.
 */
import type { CacheOutcome } from '../../ports/cache-store.ts';
import type { Tensor } from '../tensor.ts';
import type { CancelToken, Priority, ReleaseReason } from '../types.ts';
import type { Bucket } from './bucket.ts';
import { RowAssembly } from './merge-split.ts';
import type { Work } from './work-queue.ts';

export interface BatchAnswer {
  /** In the signature's order, all of them. */
  readonly outputs: readonly Tensor[];
  readonly queueMs: number;
  readonly batchMs: number;
  readonly inferMs: number;
  readonly batchRows: number;
  readonly release: ReleaseReason | 'cached';
  /** Set by the cache that stands before the batcher. */
  readonly cache?: CacheOutcome | undefined;
}

export class WorkItem implements Work {
  readonly ticket: Ticket;
  /** First row of the ticket's inputs that is meant. */
  readonly offset: number;
  readonly rows: number;
  readonly bytes: number;
  readonly priority: Priority;
  readonly deadlineMs: number;
  readonly arrivalMs: number;
  readonly solo: boolean;
  /** Workers that died running these rows. */
  readonly crashes: number;
  takenRows = 0;
  sequence = 0;
  gone = false;

  constructor(ticket: Ticket, offset: number, rows: number, solo: boolean, crashes: number) {
    this.ticket = ticket;
    this.offset = offset;
    this.rows = rows;
    this.bytes = ticket.bytes;
    this.priority = ticket.priority;
    this.deadlineMs = ticket.deadlineMs;
    this.arrivalMs = ticket.arrivalMs;
    this.solo = solo;
    this.crashes = crashes;
  }
}

export type TicketRequest = Pick<
  Ticket,
  'inputs' | 'rows' | 'bytes' | 'priority' | 'deadlineMs' | 'ownDeadlineMs' | 'arrivalMs' | 'bucket' | 'cancel'
>;

export class Ticket {
  readonly inputs: readonly Tensor[];
  readonly rows: number;
  readonly bytes: number;
  readonly priority: Priority;
  readonly deadlineMs: number;
  /** Infinity when the request brought none and `deadlineMs` is only the model's SLO. */
  readonly ownDeadlineMs: number;
  readonly arrivalMs: number;
  readonly bucket: Bucket<WorkItem>;
  readonly cancel: CancelToken | undefined;
  readonly #resolve: (answer: BatchAnswer) => void;
  readonly #reject: (error: Error) => void;
  #assembly: RowAssembly | undefined;
  #missingRows: number;
  #startedMs = -1;
  #inferMs = 0;
  settled = false;
  /** Runs that its rows are in, of engines that want to know when nobody waits. */
  runs: { leave(): void }[] | undefined;

  constructor(request: TicketRequest, resolve: (answer: BatchAnswer) => void, reject: (error: Error) => void) {
    this.inputs = request.inputs;
    this.rows = request.rows;
    this.bytes = request.bytes;
    this.priority = request.priority;
    this.deadlineMs = request.deadlineMs;
    this.ownDeadlineMs = request.ownDeadlineMs;
    this.arrivalMs = request.arrivalMs;
    this.bucket = request.bucket;
    this.cancel = request.cancel;
    this.#missingRows = request.rows;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  started(nowMs: number): void {
    if (this.#startedMs < 0) this.#startedMs = nowMs;
  }

  /** Rows from `start` are answered. `nowMs` is when the batch came back. */
  answer(outputs: readonly Tensor[], start: number, rows: number, batch: AnsweredBatch): void {
    if (this.settled) return;
    this.#missingRows -= rows;
    this.#inferMs += batch.inferMs;
    if (rows < this.rows) {
      this.#assembly ??= new RowAssembly(this.rows);
      this.#assembly.add(outputs, start);
      if (this.#missingRows > 0) return;
      outputs = this.#assembly.outputs;
    }
    this.settled = true;
    const elapsedMs = batch.nowMs - this.#startedMs;
    this.#resolve({
      outputs,
      queueMs: this.#startedMs - this.arrivalMs,
      batchMs: Math.max(0, elapsedMs - this.#inferMs),
      inferMs: this.#inferMs,
      batchRows: batch.rows,
      release: batch.reason,
    });
  }

  fail(error: Error): void {
    if (this.settled) return;
    this.settled = true;
    if (this.runs !== undefined) for (const run of this.runs) run.leave();
    this.#reject(error);
  }
}

export interface AnsweredBatch {
  readonly nowMs: number;
  readonly inferMs: number;
  readonly rows: number;
  readonly reason: ReleaseReason;
}
