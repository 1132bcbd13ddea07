/**
 * Writes batches of predictions to the store: two at a time, one while the store fails, each again until it is stored. Owned by the
 * writer, which is told of every end. What the store refuses although it takes everything else is halved until the one record that
 * cannot be stored is found and given up, so that it holds up nothing else.
 */
import type { Clock, Random, TimerHandle } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PredictionStore } from '../../ports/prediction-store.ts';
import { type Digest, type PendingPrediction, toRecord } from './pending-prediction.ts';

export interface FlushQueueOptions {
  readonly store: Pick<PredictionStore, 'insertMany'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly digest: Digest;
}

/** What becomes of batches. Called synchronously, and must not throw. */
export interface FlushListener {
  written(batch: readonly PendingPrediction[], durationMs: number): void;
  /** It will be tried again. */
  failed(batch: readonly PendingPrediction[], durationMs: number): void;
  gaveUp(record: PendingPrediction): void;
  /** After each of the above, and after the next batch has begun. */
  settled(): void;
}

interface Batch {
  readonly records: readonly PendingPrediction[];
  attempts: number;
  /** Batches stored until its first failure; more of them later prove that the store works. */
  storedBefore: number;
}

const maxInFlight = 2;
const firstPauseMs = 50;
const maxPauseMs = 2000;
const attemptsBeforeSplit = 2;
const attemptsBeforeGivingUp = 8;

export class FlushQueue {
  readonly #options: FlushQueueOptions;
  readonly #listener: FlushListener;
  readonly #waiting: Batch[] = [];
  readonly #flying = new Set<Batch>();
  #failuresInRow = 0;
  #stored = 0;
  #pause: TimerHandle | undefined;
  #hurried = false;
  #stopped = false;

  constructor(options: FlushQueueOptions, listener: FlushListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** The last that the store said was a failure. */
  get failing(): boolean {
    return this.#failuresInRow > 0;
  }

  /** Whether a batch that is not full should come now: nothing is in flight, or a failing store has nothing else to be tried with. */
  get wantsMore(): boolean {
    return this.#flying.size === 0 && this.#waiting.length <= (this.failing ? 1 : 0);
  }

  /** Takes its place; `start` makes it go. */
  push(records: readonly PendingPrediction[]): void {
    this.#waiting.push({ records, attempts: 0, storedBefore: 0 });
  }

  /** Begins what may begin. Makes up to 2000 records at once, so it must not be called while a request is answered. */
  start(): void {
    const limit = this.failing ? 1 : maxInFlight;
    while (!this.#stopped && this.#pause === undefined && this.#flying.size < limit && this.#waiting.length > 0) {
      void this.#write(this.#waiting.shift()!);
    }
  }

  /** Batches that are not stored, each in the order of its ids. */
  *unstored(): Iterable<readonly PendingPrediction[]> {
    for (const { records } of this.#flying) yield records;
    for (const { records } of this.#waiting) yield records;
  }

  /** The end is near: tries again at once, and halves what fails without waiting for proof. */
  hurry(): void {
    this.#hurried = true;
    this.#resume();
  }

  /** Nothing begins any more, and nobody is told of what is in flight. */
  stop(): void {
    this.#stopped = true;
    if (this.#pause !== undefined) this.#options.clock.clear(this.#pause);
  }

  #resume(): void {
    if (this.#pause !== undefined) this.#options.clock.clear(this.#pause);
    this.#pause = undefined;
    this.start();
  }

  /** Never rejects. */
  async #write(batch: Batch): Promise<void> {
    const { clock, store, digest } = this.#options;
    const begunMs = clock.now();
    this.#flying.add(batch);
    let failure: { readonly error: unknown } | undefined;
    try {
      await store.insertMany(batch.records.map((record) => toRecord(record, digest)));
    } catch (error) {
      failure = { error };
    }
    this.#flying.delete(batch);
    if (this.#stopped) return;
    const durationMs = clock.now() - begunMs;
    if (failure === undefined) this.#succeed(batch, durationMs);
    else this.#fail(batch, durationMs, failure.error);
    this.start();
    this.#listener.settled();
  }

  #succeed({ records }: Batch, durationMs: number): void {
    this.#stored++;
    if (this.failing) this.#options.logger.info({}, 'predictions are stored again');
    this.#failuresInRow = 0;
    this.#listener.written(records, durationMs);
  }

  #fail(batch: Batch, durationMs: number, error: unknown): void {
    if (batch.attempts++ === 0) batch.storedBefore = this.#stored;
    this.#listener.failed(batch.records, durationMs);
    const refused = this.#stored > batch.storedBefore;
    const [first] = batch.records;
    if (batch.records.length > 1) this.#putBack(batch, refused || this.#hurried);
    else if (refused && batch.attempts >= attemptsBeforeGivingUp) this.#giveUp(first!, error);
    else this.#waiting.push(batch);
    // Of two in flight that fail together, one counts.
    if (this.#pause === undefined) this.#pauseAfter(error);
  }

  /** To the end: whether others can be stored tells whose fault it is. */
  #putBack(batch: Batch, mayHalve: boolean): void {
    if (!mayHalve || batch.attempts < attemptsBeforeSplit) {
      this.#waiting.push(batch);
      return;
    }
    const middle = batch.records.length >> 1;
    const halves = [batch.records.slice(0, middle), batch.records.slice(middle)];
    for (const records of halves) this.#waiting.push({ records, attempts: 0, storedBefore: 0 });
  }

  #giveUp(record: PendingPrediction, error: unknown): void {
    this.#options.logger.error(
      { predictionId: record.id, err: error },
      'a prediction cannot be stored and was dropped',
    );
    this.#listener.gaveUp(record);
  }

  #pauseAfter(error: unknown): void {
    const { clock, random, logger } = this.#options;
    if (!this.failing) logger.warn({ err: error }, 'predictions cannot be stored; they wait in memory');
    const longestMs = Math.min(maxPauseMs, firstPauseMs * 2 ** this.#failuresInRow++);
    this.#pause = clock.after(longestMs * (0.5 + random() / 2), () => {
      this.#pause = undefined;
      this.start();
      this.#listener.settled();
    });
  }
}
