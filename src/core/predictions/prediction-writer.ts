/**
 * The buffer between predictions and their store: bounded, emptied in batches, never in anybody's way unless asked to be. The
 * recorder adds, the routes look up what is not stored yet, the composition root closes it after the last request was answered.
 *
 * In mode `async` a record counts as taken when it is in the buffer; a crash of the process loses it. In mode `stored` its request
 * waits until it is durable, or until its time is up or the store fails: then the answer goes without an id, and the record is
 * still written when that becomes possible.
 */
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import { FlushQueue, type FlushQueueOptions } from './flush-queue.ts';
import { heldBytes, type PendingPrediction } from './pending-prediction.ts';
import type { Recorded } from './prediction-recorder.ts';
import { RoomQueue } from './room-queue.ts';

export interface PredictionWriterOptions extends FlushQueueOptions {
  readonly mode: 'async' | 'stored';
  /** Records that may be held: waiting or being written. */
  readonly capacity: number;
  readonly full: 'drop' | 'wait';
  /** Bytes of tensors that may be held. @default 256 MiB */
  readonly maxHeldBytes?: number;
  /** Called once per attempt to write a batch. */
  readonly onFlush?: (records: number, durationMs: number, ok: boolean) => void;
}

/** Since the start. */
export interface PredictionCounters {
  written: number;
  /** Lost to a full buffer, to the end of the process, or refused by the store for good. */
  dropped: number;
  /** Records whose writing failed and that are tried again; each time counts. */
  retried: number;
  failedBatches: number;
  /** Answers that went without an id because their record was not durable in time. */
  unconfirmed: number;
}

const batchRecords = 1000;
/** One statement should not carry more. */
const batchBytes = 4 * 1024 * 1024;
const lingerMs = 20;
const warnEveryMs = 60_000;

export class PredictionWriter {
  readonly counters: PredictionCounters = { written: 0, dropped: 0, retried: 0, failedBatches: 0, unconfirmed: 0 };
  readonly #options: PredictionWriterOptions;
  readonly #clock: Clock;
  readonly #maxHeldBytes: number;
  readonly #queue: FlushQueue;
  readonly #roomQueue: RoomQueue;
  #open: PendingPrediction[] = [];
  #openBytes = 0;
  #heldRecords = 0;
  #heldBytes = 0;
  #linger: TimerHandle | undefined;
  /** The open batch has waited long enough for company. */
  #isDue = false;
  #warnedMs = -Infinity;
  #closing: Promise<number> | undefined;
  #finishClose: (() => void) | undefined;

  constructor(options: PredictionWriterOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#maxHeldBytes = options.maxHeldBytes ?? 256 * 1024 * 1024;
    this.#roomQueue = new RoomQueue(options.clock, () => this.drop());
    this.#queue = new FlushQueue(options, {
      written: (batch, durationMs) => this.#onWritten(batch, durationMs),
      failed: (batch, durationMs) => this.#onFailed(batch, durationMs),
      gaveUp: (record) => {
        this.counters.dropped++;
        this.#release(record);
      },
      settled: () => this.#onSettled(),
    });
  }

  /** Records that are not stored yet. */
  get waiting(): number {
    return this.#heldRecords + this.#roomQueue.size;
  }

  /** Whether `add` would take a record now. Asked first, so that nothing is encoded in vain. */
  takes(holdUntilMs: number | undefined): boolean {
    if (this.#closing !== undefined) return false;
    return this.#hasRoom() || this.#mayWait(holdUntilMs);
  }

  /** Counts a record that was not made. */
  drop(): void {
    this.counters.dropped++;
    if (this.#closing !== undefined || this.#clock.now() - this.#warnedMs < warnEveryMs) return;
    this.#warnedMs = this.#clock.now();
    this.#options.logger.warn(
      { dropped: this.counters.dropped, waiting: this.waiting },
      'the buffer of the prediction log is full; records are dropped',
    );
  }

  /** Takes the record over. Its answer may be held back until `holdUntilMs` by the clock. */
  add(record: PendingPrediction, holdUntilMs: number | undefined): Recorded {
    if (this.#closing === undefined && this.#hasRoom()) return this.#take(record, holdUntilMs);
    if (this.#closing === undefined && this.#mayWait(holdUntilMs)) return this.#roomQueue.wait(record, holdUntilMs!);
    this.drop();
    return undefined;
  }

  /** A record that was given an id and is not stored yet. */
  find(id: string): PendingPrediction | undefined {
    const open = findById(this.#open, id);
    if (open !== undefined) return open;
    for (const batch of this.#queue.unstored()) {
      const record = findById(batch, id);
      if (record !== undefined) return record;
    }
    return undefined;
  }

  /**
   * Takes no more, writes what it holds, and gives up after `withinMs`. Resolves with the number of records that were lost; one that
   * was just being written counts as lost, although the store may have it. Idempotent: later calls get the same answer.
   */
  close(withinMs: number): Promise<number> {
    this.#closing ??= new Promise((resolve) => {
      const timer = this.#clock.after(withinMs, () => this.#finishClose?.());
      this.#finishClose = () => {
        this.#finishClose = undefined;
        this.#clock.clear(timer);
        resolve(this.#abandon());
      };
      // Callers must find `#closing` set before anything settles.
      this.#clock.defer(() => {
        this.#isDue = true;
        this.#queue.hurry();
        this.#onSettled();
      });
    });
    return this.#closing;
  }

  #hasRoom(): boolean {
    return this.#heldRecords < this.#options.capacity && this.#heldBytes < this.#maxHeldBytes;
  }

  #mayWait(holdUntilMs: number | undefined): boolean {
    return this.#options.full === 'wait' && holdUntilMs !== undefined && holdUntilMs > this.#clock.now();
  }

  #take(record: PendingPrediction, holdUntilMs: number | undefined): Recorded {
    const bytes = heldBytes(record);
    this.#heldRecords++;
    this.#heldBytes += bytes;
    this.#openBytes += bytes;
    const isFirst = this.#open.push(record) === 1;
    if (this.#open.length >= batchRecords || this.#openBytes >= batchBytes) {
      this.#seal();
      // The request that fills a batch must not pay for writing it.
      this.#clock.defer(() => this.#queue.start());
    } else if (isFirst) this.#startLinger();
    if (this.#options.mode === 'async') return record.id;
    return this.#untilStored(record, holdUntilMs);
  }

  /** Answers wait for a batch in mode `stored`: it goes at the end of this turn, or when the one before it is done. */
  #startLinger(): void {
    const due = (): void => {
      this.#isDue = true;
      this.#flush();
    };
    if (this.#options.mode === 'stored') this.#clock.defer(due);
    else this.#linger = this.#clock.after(lingerMs, due);
  }

  #flush(): void {
    if (!this.#isDue || this.#open.length === 0 || !this.#queue.wantsMore) return;
    this.#seal();
    this.#queue.start();
  }

  #seal(): void {
    if (this.#linger !== undefined) this.#clock.clear(this.#linger);
    this.#linger = undefined;
    this.#isDue = this.#closing !== undefined;
    const batch = this.#open;
    this.#open = [];
    this.#openBytes = 0;
    this.#queue.push(batch);
  }

  #untilStored(record: PendingPrediction, holdUntilMs: number | undefined): Recorded {
    if (holdUntilMs === undefined) return undefined;
    const leftMs = holdUntilMs - this.#clock.now();
    // An outage of the store must not become one of the server: nobody waits for it while it is known to fail.
    if (leftMs <= 0 || this.#queue.failing) {
      this.counters.unconfirmed++;
      return undefined;
    }
    return new Promise((resolve) => {
      const timer = this.#clock.after(leftMs, () => record.settle?.(false));
      record.settle = (stored) => {
        record.settle = undefined;
        this.#clock.clear(timer);
        if (!stored) this.counters.unconfirmed++;
        resolve(stored ? record.id : undefined);
      };
    });
  }

  #onWritten(batch: readonly PendingPrediction[], durationMs: number): void {
    this.counters.written += batch.length;
    this.#options.onFlush?.(batch.length, durationMs, true);
    for (const record of batch) {
      this.#release(record);
      record.settle?.(true);
    }
  }

  #onFailed(batch: readonly PendingPrediction[], durationMs: number): void {
    this.counters.failedBatches++;
    this.counters.retried += batch.length;
    this.#options.onFlush?.(batch.length, durationMs, false);
    for (const record of batch) record.settle?.(false);
  }

  #release(record: PendingPrediction): void {
    this.#heldRecords--;
    this.#heldBytes -= heldBytes(record);
  }

  #onSettled(): void {
    // In the turn in which room came about, so that nobody can overtake those who wait.
    this.#roomQueue.admit(
      () => this.#hasRoom(),
      (record, holdUntilMs) => this.#take(record, holdUntilMs),
    );
    this.#flush();
    if (this.waiting === 0) this.#finishClose?.();
  }

  /** What is left at the end is lost. */
  #abandon(): number {
    this.#queue.stop();
    if (this.#linger !== undefined) this.#clock.clear(this.#linger);
    const lost = this.waiting;
    this.counters.dropped += lost;
    for (const batch of [this.#open, ...this.#queue.unstored()]) for (const record of batch) record.settle?.(false);
    this.#roomQueue.clear();
    this.#open = [];
    this.#heldRecords = 0;
    this.#heldBytes = 0;
    return lost;
  }
}

/** Binary search: batches are in the order of their ids. */
function findById(batch: readonly PendingPrediction[], id: string): PendingPrediction | undefined {
  let low = 0;
  let high = batch.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = batch[middle]!;
    if (found.id === id) return found;
    if (found.id < id) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}
