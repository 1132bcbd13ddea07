/**
 * Decides who waits, who is refused, and what runs next: the scheduler of one model ("guarded pull").
 * The batcher (production), the unit tests (fake clock) and simulate.ts run this very class. It holds no tensors and no
 * promises; time, randomness and the running of batches come in as arguments. Rules: docs/guides/batching.md.
 */
import type { Clock, Random } from '../../ports/clock.ts';
import type { ShedReason } from '../../ports/telemetry.ts';
import type { ReleaseReason } from '../types.ts';
import { Bucket, mostUrgent } from './bucket.ts';
import type { CostModel } from './cost-model.ts';
import { InstanceSlots } from './instance-slots.ts';
import { LazyTimer } from './lazy-timer.ts';
import type { Work } from './work-queue.ts';

/** Consecutive rows of one piece of work that run in one batch. */
export interface Slice<W> {
  readonly work: W;
  readonly start: number;
  readonly rows: number;
}

export interface Batch<W extends Work> {
  readonly bucket: Bucket<W>;
  readonly slices: readonly Slice<W>[];
  readonly rows: number;
  readonly reason: ReleaseReason;
}

export interface Refusal {
  readonly reason: Exclude<ShedReason, 'in-flight' | 'shutting-down'>;
  /** After this time a retry has a chance; jittered so that the refused do not return together. */
  readonly retryAfterMs: number;
}

export interface SchedulerOptions<W extends Work> {
  readonly clock: Clock;
  readonly random: Random;
  readonly instances: number;
  readonly maxBatchSize: number;
  /** The classic knob: wait this long for a batch to fill. Undefined: linger only when it pays. */
  readonly maxDelayMs: number | undefined;
  readonly sloMs: number;
  readonly maxQueueRows: number;
  readonly maxQueueBytes: number;
  /** Runs the batch on the instance; the batcher answers with `finished` or `setAvailable(false)`. */
  readonly run: (batch: Batch<W>, instance: number) => void;
  /** Work whose deadline passed, or that can no longer make it, while it waited. */
  readonly expire: (work: W) => void;
}

/** Admission margin by priority: less important work is refused earlier. */
const admissionMargins = [1.15, 1.5, 2, 3] as const;
const maxLingerShare = 0.05;
const lingerPaysAbove = 4;
const idleRefusalsPerTry = 32;

export class GuardedPull<W extends Work> {
  readonly #options: SchedulerOptions<W>;
  readonly #slots: InstanceSlots;
  readonly #buckets: Bucket<W>[] = [];
  readonly #linger: LazyTimer;
  readonly #expiry: LazyTimer;
  #pumpDeferred = false;
  #idleRefusals = 0;
  #draining = false;

  constructor(options: SchedulerOptions<W>) {
    this.#options = options;
    this.#slots = new InstanceSlots(options.instances, options.clock);
    this.#linger = new LazyTimer(options.clock, () => this.#pump());
    this.#expiry = new LazyTimer(options.clock, () => this.#expireAll());
  }

  addBucket(cost: CostModel): Bucket<W> {
    const bucket = new Bucket<W>(cost);
    this.#buckets.push(bucket);
    return bucket;
  }

  /** Forgets an empty bucket; used to bound the number of shapes remembered. */
  removeBucket(bucket: Bucket<W>): void {
    const index = this.#buckets.indexOf(bucket);
    if (index >= 0 && bucket.queue.requests === 0) this.#buckets.splice(index, 1);
  }

  get queuedRows(): number {
    return this.#sum((bucket) => bucket.queue.rows);
  }

  get queuedRequests(): number {
    return this.#sum((bucket) => bucket.queue.requests);
  }

  get queuedBytes(): number {
    return this.#sum((bucket) => bucket.queue.bytes);
  }

  get busyInstances(): number {
    return this.#slots.busy;
  }

  get availableInstances(): number {
    return this.#slots.available;
  }

  /** Queues the work, or says why not. Nothing is kept of refused work. */
  offer(work: W, bucket: Bucket<W>): Refusal | undefined {
    const refusal = this.#refuse(work, bucket);
    if (refusal !== undefined) return refusal;
    this.enqueue(work, bucket);
    return undefined;
  }

  /** Queues without asking; for work that was admitted before and lost its worker. */
  enqueue(work: W, bucket: Bucket<W>): void {
    bucket.queue.push(work);
    this.#expiry.armBy(work.deadlineMs);
    if (this.#slots.findIdle() >= 0) this.#deferPump();
  }

  /** Takes waiting work out; false if all its rows run or ran already. */
  cancel(work: W, bucket: Bucket<W>): boolean {
    return bucket.queue.remove(work);
  }

  /** An instance finished its batch, `durationMs` after it was handed over; undefined if the run taught nothing. */
  finished(instance: number, batch: Batch<W>, durationMs: number | undefined): void {
    this.#slots.release(instance);
    if (durationMs !== undefined) batch.bucket.cost.observe(batch.rows, durationMs);
    this.#pump();
  }

  setAvailable(instance: number, available: boolean): void {
    this.#slots.setAvailable(instance, available);
    if (available) this.#deferPump();
  }

  /** From now on nothing lingers. */
  drain(): void {
    this.#draining = true;
    this.#deferPump();
  }

  /** Stops all timers; nothing runs afterwards. Returns what still waited. */
  destroy(): W[] {
    this.#draining = true;
    this.#linger.stop();
    const waiting = this.#buckets.flatMap((bucket) => bucket.queue.removeExpired(Number.POSITIVE_INFINITY));
    this.#expiry.stop();
    return waiting;
  }

  /** When work of `rows` rows would be done if it came now, in milliseconds from now. */
  predictFinishMs(rows: number, priority: number, bucket: Bucket<W>): number {
    const instances = Math.max(1, this.#slots.available);
    const size = this.#options.maxBatchSize;
    let finishMs = this.#slots.residualMs();
    for (const other of this.#buckets) {
      if (other === bucket) continue;
      finishMs += ((other.queue.rowsUpTo(priority) / size) * other.cost.estimateMs(size)) / instances;
    }
    const ahead = Math.max(0, bucket.queue.rowsUpTo(priority) + rows - 1);
    finishMs += (Math.floor(ahead / size) * bucket.cost.estimateMs(size)) / instances;
    return finishMs + bucket.cost.estimateMs((ahead % size) + 1);
  }

  #refuse(work: W, bucket: Bucket<W>): Refusal | undefined {
    const { clock, maxQueueRows, maxQueueBytes } = this.#options;
    const finishMs = this.predictFinishMs(work.rows, work.priority, bucket);
    const remainingMs = work.deadlineMs - clock.now();
    const lateMs = admissionMargins[work.priority] * finishMs - remainingMs;
    if (lateMs > 0 && !this.#mayTeach(work)) {
      return { reason: 'deadline', retryAfterMs: this.#jitter(lateMs) };
    }
    if (this.queuedRows + work.rows > maxQueueRows) {
      return { reason: 'queue-rows', retryAfterMs: this.#jitter(finishMs) };
    }
    if (this.queuedBytes + work.bytes > maxQueueBytes) {
      return { reason: 'queue-bytes', retryAfterMs: this.#jitter(finishMs) };
    }
    return undefined;
  }

  /**
   * Refused work teaches nothing, so one slow minute could lock everybody out for good. An idle model therefore takes
   * requests that bring the whole SLO whatever it has learned, and of the more hurried ones now and then one.
   */
  #mayTeach({ arrivalMs, deadlineMs }: W): boolean {
    if (this.#slots.busy > 0 || this.#slots.available === 0 || this.queuedRequests > 0) return false;
    // As it was brought: what passed since the arrival, if only microseconds, is not the request's fault.
    return deadlineMs - arrivalMs >= this.#options.sloMs || ++this.#idleRefusals % idleRefusalsPerTry === 0;
  }

  #jitter(ms: number): number {
    return ms * (0.8 + 0.4 * this.#options.random());
  }

  /** Batches are built at the end of the turn, when every request readable now has arrived. */
  #deferPump(): void {
    if (this.#pumpDeferred) return;
    this.#pumpDeferred = true;
    this.#options.clock.defer(() => {
      this.#pumpDeferred = false;
      this.#pump();
    });
  }

  #pump(): void {
    for (let instance = this.#slots.findIdle(); instance >= 0; instance = this.#slots.findIdle()) {
      const batch = this.#nextBatch();
      if (batch === undefined) return;
      this.#slots.occupy(instance, batch.bucket.cost.expectMs(batch.rows));
      this.#options.run(batch, instance);
    }
  }

  #nextBatch(): Batch<W> | undefined {
    const now = this.#options.clock.now();
    for (;;) {
      const bucket = mostUrgent(this.#buckets);
      const head = bucket?.queue.peek();
      if (bucket === undefined || head === undefined) return undefined;
      const rows = head.solo ? head.rows : Math.min(bucket.queue.rows, this.#options.maxBatchSize);
      if (head.takenRows === 0 && this.#isLost(head, now + bucket.cost.expectMs(rows))) {
        bucket.queue.remove(head);
        this.#options.expire(head);
        continue;
      }
      const lingerEndMs = this.#lingerEndMs(head, bucket, rows);
      if (lingerEndMs > now) {
        this.#linger.armBy(lingerEndMs);
        return undefined;
      }
      return this.#take(bucket, head, lingerEndMs > head.arrivalMs);
    }
  }

  /** Alone on an idle model, work runs even if it is expected to be late: nobody else is kept waiting, and it teaches. */
  #isLost(head: W, expectedEndMs: number): boolean {
    if (expectedEndMs <= head.deadlineMs) return false;
    return this.#slots.busy > 0 || this.queuedRequests > 1;
  }

  #take(bucket: Bucket<W>, head: W, lingered: boolean): Batch<W> {
    const slices: Slice<W>[] = [];
    const limit = head.solo ? head.rows : this.#options.maxBatchSize;
    let rows = 0;
    let work: W | undefined = head;
    // The head is always taken, also when it has no rows: empty tensors run alone.
    do {
      const start = work.takenRows;
      const taken = bucket.queue.takeFromHead(limit - rows);
      slices.push({ work, start, rows: taken });
      rows += taken;
      work = bucket.queue.peek();
    } while (work !== undefined && rows < limit && !work.solo);
    return { bucket, slices, rows, reason: this.#reason(head, rows, lingered) };
  }

  #reason(head: W, rows: number, lingered: boolean): ReleaseReason {
    if (head.solo) return 'solo';
    if (rows >= this.#options.maxBatchSize) return 'full';
    if (this.#draining) return 'drain';
    return lingered ? 'linger-expired' : 'idle';
  }

  /**
   * Until when the head may wait for company; 0 when it should go now. An operator's maxDelayMs is honoured as it is.
   * A learned linger needs a dear batch (b > 4a) and another instance at work: a lone client, who sends nothing while he
   * waits, never lingers, because nothing else runs then.
   */
  #lingerEndMs(head: W, bucket: Bucket<W>, rows: number): number {
    const { maxBatchSize, maxDelayMs, sloMs } = this.#options;
    if (this.#draining || head.solo || rows >= maxBatchSize) return 0;
    if (maxDelayMs !== undefined) return head.arrivalMs + maxDelayMs;
    const { cost } = bucket;
    if (cost.fixedMs <= lingerPaysAbove * cost.perRowMs || this.#slots.busy === 0) return 0;
    if (this.queuedRequests > bucket.queue.requests) return 0;
    return head.arrivalMs + maxLingerShare * sloMs;
  }

  #expireAll(): void {
    const now = this.#options.clock.now();
    for (const bucket of this.#buckets) {
      for (const work of bucket.queue.removeExpired(now)) this.#options.expire(work);
      this.#expiry.armBy(bucket.queue.earliestDeadlineMs());
    }
  }

  #sum(of: (bucket: Bucket<W>) => number): number {
    let total = 0;
    for (const bucket of this.#buckets) total += of(bucket);
    return total;
  }
}
