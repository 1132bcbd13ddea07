/**
 * One model's way from requests to answers: asks the scheduler, merges rows, hands whole batches to instances, splits the
 * outputs, and decides what a failure means for each request. infer.ts submits; the registry makes and closes it.
 */
import type { Clock, Random } from '../../ports/clock.ts';
import type { EngineInstance, EngineRun } from '../../ports/engine.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import { type ErrorCode, HotpathError, toHotpathError } from '../errors.ts';
import { type Tensor, tensorBytes } from '../tensor.ts';
import type { CacheDirective, CancelToken, ModelView, Priority, SequenceStep } from '../types.ts';
import { BatchLimits } from './batch-limits.ts';
import { Buckets } from './buckets.ts';
import { BufferPool } from './buffer-pool.ts';
import type { CostModel } from './cost-model.ts';
import { type Batch, GuardedPull, type Refusal } from './guarded-pull.ts';
import { copyInputs, mergeRows, sliceRows } from './merge-split.ts';
import { type BatchAnswer, Ticket, WorkItem } from './ticket.ts';

export interface BatcherOptions {
  readonly model: ModelView;
  readonly instances: readonly EngineInstance[];
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: ModelTelemetry;
  /** Learned by the warm-up sweep; buckets of other shapes start from it. */
  readonly cost: CostModel;
  /** False: every request runs alone, whatever its shape. */
  readonly batchable: boolean;
  readonly maxBatchSize: number;
  readonly maxDelayMs: number | undefined;
  readonly sloMs: number;
  readonly maxQueueRows: number;
  readonly maxQueueBytes: number;
}

export interface SubmitOptions {
  readonly priority: Priority;
  readonly arrivalMs: number;
  /** Milliseconds after arrival; undefined: the model's SLO. */
  readonly timeoutMs: number | undefined;
  readonly solo: boolean;
  readonly cancel: CancelToken | undefined;
  /** Not for the batcher: read by what stands before it for stateful models, and passed on by pipelines. */
  readonly sequence?: SequenceStep | undefined;
  /** Not for the batcher either: read by the cache that stands before it. */
  readonly cache?: CacheDirective | undefined;
}

export interface BatcherStatus {
  readonly queue: { readonly rows: number; readonly requests: number; readonly bytes: number };
  readonly busyInstances: number;
  readonly availableInstances: number;
  readonly inFlightRequests: number;
  readonly sloInfeasible: boolean;
}

export class Batcher {
  readonly #options: BatcherOptions;
  readonly #scheduler: GuardedPull<WorkItem>;
  readonly #buckets: Buckets;
  readonly #pool: BufferPool;
  #inFlight = 0;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  constructor(options: BatcherOptions) {
    this.#options = options;
    this.#pool = new BufferPool(2 * options.instances.length * options.model.signature.inputs.length);
    this.#scheduler = new GuardedPull<WorkItem>({
      ...options,
      instances: options.instances.length,
      run: (batch, instance) => void this.#run(batch, instance),
      expire: (work) => this.#expire(work),
    });
    this.#buckets = new Buckets(this.#scheduler, options.model.signature, options.batchable, options.cost);
    for (const [index, instance] of options.instances.entries()) {
      instance.onAvailable = () => this.#scheduler.setAvailable(index, true);
    }
  }

  /**
   * Queues one request. `inputs` are in signature order, checked, and belong to the batcher from now on.
   * @throws PAYLOAD_TOO_LARGE, OVERLOADED, DEADLINE_EXCEEDED, CANCELLED, ENGINE_FAILED, POISON_INPUT, SHUTTING_DOWN.
   */
  submit(inputs: readonly Tensor[], options: SubmitOptions): Promise<BatchAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) throw new HotpathError('SHUTTING_DOWN', 'The model is being unloaded.');
      const rows = this.#options.batchable ? inputs[0]!.shape[0]! : 1;
      if (rows > this.#options.maxQueueRows) throw tooManyRows(rows, this.#options.maxQueueRows);
      const solo = options.solo || !this.#options.batchable || rows === 0;
      let bytes = 0;
      for (const input of inputs) bytes += tensorBytes(input);
      const deadlineMs = options.arrivalMs + (options.timeoutMs ?? this.#options.sloMs);
      const ownDeadlineMs = options.timeoutMs === undefined ? Number.POSITIVE_INFINITY : deadlineMs;
      const bucket = this.#buckets.of(inputs);
      const { priority, arrivalMs, cancel } = options;
      const ticket = new Ticket(
        { inputs, rows, bytes, priority, deadlineMs, ownDeadlineMs, arrivalMs, bucket, cancel },
        resolve,
        reject,
      );
      const work = new WorkItem(ticket, 0, rows, solo, 0);
      const refusal = this.#scheduler.offer(work, bucket);
      if (refusal !== undefined) throw this.#refused(refusal);
      this.#inFlight++;
      if (cancel !== undefined) cancel.onCancel = () => this.#cancel(work);
    });
  }

  status(): BatcherStatus {
    const scheduler = this.#scheduler;
    return {
      queue: { rows: scheduler.queuedRows, requests: scheduler.queuedRequests, bytes: scheduler.queuedBytes },
      busyInstances: scheduler.busyInstances,
      availableInstances: scheduler.availableInstances,
      inFlightRequests: this.#inFlight,
      sloInfeasible: this.#options.cost.estimateMs(1) > this.#options.sloMs,
    };
  }

  /** Refuses new requests and resolves when the last one in flight is answered. */
  close(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      this.#drained = () => {
        this.#scheduler.destroy();
        resolve();
      };
      this.#scheduler.drain();
      if (this.#inFlight === 0) this.#drained();
    });
    return this.#closing;
  }

  async #run(batch: Batch<WorkItem>, index: number): Promise<void> {
    const { clock, instances, telemetry } = this.#options;
    const startedMs = clock.now();
    for (const { work } of batch.slices) work.ticket.started(startedMs);
    let run: EngineRun;
    try {
      const instance = instances[index]!;
      const inputs = this.#merge(batch);
      run = await (instance.takesLimits === true
        ? instance.run(inputs, undefined, new BatchLimits(batch))
        : instance.run(inputs));
    } catch (error) {
      if (!instances[index]!.available) this.#scheduler.setAvailable(index, false);
      this.#fail(batch, toHotpathError(error));
      this.#scheduler.finished(index, batch, undefined);
      return;
    }
    const nowMs = clock.now();
    this.#scheduler.finished(index, batch, nowMs - startedMs);
    telemetry.batch(batch.rows, batch.slices.length, batch.reason, run.inferMs);
    try {
      this.#answer(batch, run, nowMs);
    } catch (error) {
      this.#fail(batch, toHotpathError(error));
    }
  }

  #merge(batch: Batch<WorkItem>): Tensor[] {
    const first = batch.slices[0]!;
    if (!this.#options.batchable) return copyInputs(first.work.ticket.inputs, this.#pool);
    const ranges = batch.slices.map(({ work, start, rows }) => ({
      inputs: work.ticket.inputs,
      start: work.offset + start,
      rows,
    }));
    return mergeRows(ranges, batch.rows, this.#pool);
  }

  #answer(batch: Batch<WorkItem>, run: EngineRun, nowMs: number): void {
    for (const buffer of run.recycled ?? []) this.#pool.give(buffer);
    const answered = { nowMs, inferMs: run.inferMs, rows: batch.rows, reason: batch.reason };
    if (!this.#options.batchable) {
      const { ticket } = batch.slices[0]!.work;
      this.#settle(ticket, () => ticket.answer(run.outputs, 0, 1, answered));
      return;
    }
    if (run.outputs.some((output) => output.shape[0] !== batch.rows)) {
      this.#fail(
        batch,
        new HotpathError('ENGINE_FAILED', 'The model answered another number of rows than it was given.'),
      );
      return;
    }
    let row = 0;
    for (const { work, start, rows } of batch.slices) {
      const from = row;
      const outputs = run.outputs.map((output) => sliceRows(output, from, rows));
      this.#settle(work.ticket, () => work.ticket.answer(outputs, work.offset + start, rows, answered));
      row += rows;
    }
  }

  /**
   * A joined batch that fails says nothing of its members: each runs again alone, so that only the guilty one is
   * refused. Rows whose second worker dies are poison.
   */
  #fail(batch: Batch<WorkItem>, error: HotpathError): void {
    const crashed = error.code === 'ENGINE_CRASHED';
    for (const { work, start, rows } of batch.slices) {
      const { ticket } = work;
      const crashes = work.crashes + (crashed ? 1 : 0);
      if (ticket.settled) continue;
      if (crashes >= 2) this.#refuse(work, poisonInput());
      else if (crashed || (batch.slices.length > 1 && !aboutNobody.has(error.code)))
        this.#retryAlone(ticket, work.offset + start, rows, crashes);
      else this.#refuse(work, error);
    }
  }

  /** Fails the request and takes out what of it still waits. */
  #refuse(work: WorkItem, error: HotpathError): void {
    this.#scheduler.cancel(work, work.ticket.bucket);
    this.#settle(work.ticket, () => work.ticket.fail(error));
  }

  #retryAlone(ticket: Ticket, offset: number, rows: number, crashes: number): void {
    const work = new WorkItem(ticket, offset, rows, true, crashes);
    if (ticket.cancel !== undefined) ticket.cancel.onCancel = () => this.#cancel(work);
    this.#scheduler.enqueue(work, ticket.bucket);
  }

  #cancel(work: WorkItem): void {
    if (work.ticket.settled) return;
    this.#options.telemetry.cancelled();
    this.#refuse(work, new HotpathError('CANCELLED', 'The client left.'));
  }

  #expire(work: WorkItem): void {
    if (work.ticket.settled) return;
    this.#options.telemetry.expired();
    this.#refuse(work, new HotpathError('DEADLINE_EXCEEDED', 'The deadline passed before the model was free.'));
  }

  /** Runs what may settle the ticket, and counts it out if it did. */
  #settle(ticket: Ticket, act: () => void): void {
    if (ticket.settled) return;
    act();
    if (!ticket.settled) return;
    this.#inFlight--;
    if (ticket.cancel !== undefined) ticket.cancel.onCancel = undefined;
    if (this.#inFlight === 0) this.#drained?.();
  }

  #refused(refusal: Refusal): HotpathError {
    this.#options.telemetry.shed(refusal.reason);
    return new HotpathError('OVERLOADED', refusalMessages[refusal.reason], {
      reason: refusal.reason,
      retryAfterSeconds: refusal.retryAfterMs / 1000,
    });
  }
}

/** What an engine says of itself and not of the input: running the members alone would only add to its load. */
const aboutNobody: ReadonlySet<ErrorCode> = new Set([
  'OVERLOADED',
  'MODEL_NOT_READY',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'SHUTTING_DOWN',
]);

const refusalMessages = {
  deadline: 'The request could not be answered before its deadline; try again later or allow more time.',
  'queue-rows': 'Too many rows wait for this model; try again later.',
  'queue-bytes': 'Too much data waits for this model; try again later.',
} as const satisfies Record<Refusal['reason'], string>;

/** Not OVERLOADED: no retry will help. */
function tooManyRows(rows: number, maxRows: number): HotpathError {
  return new HotpathError(
    'PAYLOAD_TOO_LARGE',
    `${rows} rows are more than one request may have, which is ${maxRows}.`,
    {
      expected: `at most ${maxRows} rows`,
      received: String(rows),
    },
  );
}

function poisonInput(): HotpathError {
  return new HotpathError('POISON_INPUT', 'This input crashed the engine twice and will not be tried again.');
}
