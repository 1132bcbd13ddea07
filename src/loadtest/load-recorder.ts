/**
 * Counts what happened to every request of a load run: in time, late, refused, timed out, dropped, broken, wrong.
 * Both loops call it; nothing that was due is ever left out.
 */
import { findMistake } from './answer-check.ts';
import { LatencyHistogram } from './histogram.ts';
import type { LatencySummary, LoadJob, LoadReport } from './load-job.ts';

export class LoadRecorder {
  readonly #job: LoadJob;
  readonly #sloMs: number;
  readonly #checkEvery: number;
  readonly #latency = new LatencyHistogram();
  readonly #refusalLatency = new LatencyHistogram();
  readonly #lag = new LatencyHistogram();
  readonly #statuses: number[] = [];
  readonly #broken: Record<string, number> = {};
  #inTime = 0;
  #late = 0;
  #refused = 0;
  #timedOut = 0;
  #dropped = 0;
  #answers = 0;
  #checked = 0;
  #wrong = 0;
  #firstWrong: string | undefined;

  constructor(job: LoadJob) {
    this.#job = job;
    this.#sloMs = job.sloMs ?? Number.POSITIVE_INFINITY;
    this.#checkEvery = job.checkEvery ?? 1;
  }

  /** Answers of any status so far. */
  get answers(): number {
    return this.#answers;
  }

  answered(requestIndex: number, status: number, body: Buffer, latencyMs: number): void {
    this.#answers += 1;
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
    if (status >= 200 && status < 300) {
      this.#latency.record(latencyMs * 1000);
      if (latencyMs <= this.#sloMs) this.#inTime += 1;
      else this.#late += 1;
      if (this.#checkEvery > 0 && this.#answers % this.#checkEvery === 0) this.#check(requestIndex, body);
    } else if (status === 503 || status === 429) {
      this.#refused += 1;
      this.#refusalLatency.record(latencyMs * 1000);
    }
  }

  timedOut(latencyMs: number): void {
    this.#timedOut += 1;
    this.#latency.record(latencyMs * 1000);
  }

  dropped(): void {
    this.#dropped += 1;
  }

  broken(reason: string): void {
    this.#broken[reason] = (this.#broken[reason] ?? 0) + 1;
  }

  lag(lagMs: number): void {
    this.#lag.record(lagMs * 1000);
  }

  report(seconds: number, cpuSeconds: number): LoadReport {
    const brokenCount = Object.values(this.#broken).reduce((sum, count) => sum + count, 0);
    return {
      seconds,
      offered: this.#answers + this.#timedOut + this.#dropped + brokenCount,
      inTime: this.#inTime,
      late: this.#late,
      refused: this.#refused,
      timedOut: this.#timedOut,
      dropped: this.#dropped,
      broken: this.#broken,
      statuses: Object.fromEntries(Object.entries(this.#statuses)),
      checked: this.#checked,
      wrong: this.#wrong,
      firstWrong: this.#firstWrong,
      latency: summarize(this.#latency),
      refusalLatency: summarize(this.#refusalLatency),
      lag: summarize(this.#lag),
      cpuShare: cpuSeconds / seconds,
      answersPerSecond: (this.#inTime + this.#late) / seconds,
      goodputPerSecond: this.#inTime / seconds,
    };
  }

  #check(requestIndex: number, body: Buffer): void {
    this.#checked += 1;
    const mistake = findMistake(this.#job.requests[requestIndex]!.expect, body);
    if (mistake === undefined) return;
    this.#wrong += 1;
    this.#firstWrong ??= `request ${requestIndex}: ${mistake}`;
  }
}

export function summarize(histogram: LatencyHistogram): LatencySummary {
  const at = (p: number): number => histogram.percentile(p) / 1000;
  return {
    count: histogram.count,
    meanMs: histogram.mean / 1000,
    p50Ms: at(50),
    p90Ms: at(90),
    p95Ms: at(95),
    p99Ms: at(99),
    maxMs: histogram.max / 1000,
    data: histogram.toData(),
  };
}
