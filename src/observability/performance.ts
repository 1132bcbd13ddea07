/**
 * The last 10 and 60 seconds in fixed memory (about 220 KB): a ring of one slot per second, each with log-linear latency counters.
 * The telemetry of every model records into it; /health reads it. Recording costs one look at the clock and four additions.
 */
import type { Clock } from '../ports/clock.ts';
import type { PerformanceView, PerformanceWindow } from '../ports/performance.ts';

/** Sixty whole seconds and the one that is running. */
const SLOTS = 61;
/** 32 steps per power of two: a bucket is at most 1/32 of its value wide, so its middle is within 1.6 %. */
const STEP_BITS = 5;
const STEPS = 1 << STEP_BITS;
/** Microseconds up to 2^32, 71 minutes. */
const BUCKETS = (32 - STEP_BITS + 1) * STEPS;
const MAX_US = 2 ** 32 - 1;

interface Slot {
  second: number;
  answered: number;
  failed: number;
  rows: number;
  batches: number;
  readonly latencies: Uint32Array;
}

export class PerformanceRecorder {
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #slots: Slot[];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.now();
    this.#slots = Array.from({ length: SLOTS }, () => ({
      second: -1,
      answered: 0,
      failed: 0,
      rows: 0,
      batches: 0,
      latencies: new Uint32Array(BUCKETS),
    }));
  }

  request(ok: boolean, durationMs: number): void {
    const slot = this.#slotNow();
    if (!ok) {
      slot.failed += 1;
      return;
    }
    slot.answered += 1;
    const bucket = bucketOf(durationMs);
    slot.latencies[bucket] = (slot.latencies[bucket] as number) + 1;
  }

  batch(rows: number): void {
    const slot = this.#slotNow();
    slot.rows += rows;
    slot.batches += 1;
  }

  view(): PerformanceView {
    const nowMs = this.#clock.now();
    return { last10s: this.#window(10, nowMs), last60s: this.#window(60, nowMs) };
  }

  #slotNow(): Slot {
    const second = Math.floor((this.#clock.now() - this.#startedMs) / 1000);
    const slot = this.#slots[second % SLOTS] as Slot;
    if (slot.second !== second) resetSlot(slot, second);
    return slot;
  }

  /** The last `seconds` whole seconds and the running one, so that a fresh second does not look like an idle server. */
  #window(seconds: number, nowMs: number): PerformanceWindow {
    const elapsed = (nowMs - this.#startedMs) / 1000;
    const current = Math.floor(elapsed);
    const first = Math.max(0, current - seconds);
    const slots = this.#slots.filter((slot) => slot.second >= first && slot.second <= current);
    return summarize(slots, elapsed - first);
  }
}

function resetSlot(slot: Slot, second: number): void {
  slot.second = second;
  slot.answered = 0;
  slot.failed = 0;
  slot.rows = 0;
  slot.batches = 0;
  slot.latencies.fill(0);
}

function summarize(slots: readonly Slot[], seconds: number): PerformanceWindow {
  const latencies = new Float64Array(BUCKETS);
  let answered = 0;
  let failed = 0;
  let rows = 0;
  let batches = 0;
  for (const slot of slots) {
    answered += slot.answered;
    failed += slot.failed;
    rows += slot.rows;
    batches += slot.batches;
    for (let i = 0; i < BUCKETS; i++) latencies[i] = (latencies[i] as number) + (slot.latencies[i] as number);
  }
  const perSecond = (count: number): number => (seconds > 0 ? round(count / seconds) : 0);
  return {
    seconds: round(seconds),
    requestsPerSecond: perSecond(answered),
    errorsPerSecond: perSecond(failed),
    rowsPerSecond: perSecond(rows),
    p50Ms: quantileMs(latencies, answered, 0.5),
    p95Ms: quantileMs(latencies, answered, 0.95),
    p99Ms: quantileMs(latencies, answered, 0.99),
    meanBatchRows: batches === 0 ? null : round(rows / batches),
  };
}

function quantileMs(latencies: Float64Array, count: number, quantile: number): number | null {
  if (count === 0) return null;
  let left = Math.ceil(quantile * count);
  for (let i = 0; i < BUCKETS; i++) {
    left -= latencies[i] as number;
    if (left <= 0) return round(middleUs(i) / 1000);
  }
  return null;
}

/** Below 64 us one bucket per microsecond, above the top six bits choose; what is not a positive number counts as 0. */
function bucketOf(ms: number): number {
  const us = ms > 0 ? Math.min(ms * 1000, MAX_US) >>> 0 : 0;
  const shift = 31 - Math.clz32(us) - STEP_BITS;
  return shift <= 0 ? us : (shift << STEP_BITS) + (us >>> shift);
}

function middleUs(bucket: number): number {
  if (bucket < 2 * STEPS) return bucket + 0.5;
  const shift = (bucket >> STEP_BITS) - 1;
  return (STEPS + (bucket & (STEPS - 1)) + 0.5) * 2 ** shift;
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
