/**
 * The counters of one model version: what the seams call per request and per batch (ports/telemetry.ts). Only plain numbers and typed
 * arrays change here; labels are rendered and everything is added up at scrape time by model-families.ts.
 */
import { type ErrorCode, errorCodes } from '../core/errors.ts';
import type { InferTiming, ReleaseReason } from '../core/types.ts';
import type { FarTier } from '../ports/cache-store.ts';
import type { CacheRowOutcome, ModelTelemetry, Protocol, ShedReason } from '../ports/telemetry.ts';
import { BucketCounter, durationBoundsMs, rowBounds } from './bucket-counter.ts';
import { renderLabels } from './exposition.ts';
import type { PerformanceRecorder } from './performance.ts';

export type AnswerCode = 'OK' | ErrorCode;

export const stageNames = ['decode', 'queue', 'batch', 'infer', 'encode'] as const;
export type StageName = (typeof stageNames)[number];

export const answerCodes: readonly AnswerCode[] = ['OK', ...(Object.keys(errorCodes) as ErrorCode[])];
const codeIndex = new Map(answerCodes.map((code, index) => [code, index]));

/** Requests of one protocol. */
class ProtocolMeter {
  readonly codes = new Float64Array(answerCodes.length);
  readonly ok = new BucketCounter(durationBoundsMs);
  readonly error = new BucketCounter(durationBoundsMs);

  request(code: AnswerCode, durationMs: number): void {
    const index = code === 'OK' ? 0 : (codeIndex.get(code) as number);
    this.codes[index] = (this.codes[index] as number) + 1;
    (index === 0 ? this.ok : this.error).observe(durationMs);
  }
}

type TierResult = 'ok' | 'timeout' | 'error' | 'skipped';

/** Calls of one cache tier. */
class TierMeter {
  readonly results: Record<TierResult, number> = { ok: 0, timeout: 0, error: 0, skipped: 0 };
  readonly durations = new BucketCounter(durationBoundsMs);
}

export class ModelMeter implements ModelTelemetry {
  /** Rendered model and version labels; empty for requests that reached no model. */
  readonly labels: string;
  readonly model: string;
  readonly version: string;
  readonly #performance: PerformanceRecorder;
  readonly #wallClock: () => number;

  readonly protocols = new Map<Protocol, ProtocolMeter>();
  readonly stageDurations: Readonly<Record<StageName, BucketCounter>> = {
    decode: new BucketCounter(durationBoundsMs),
    queue: new BucketCounter(durationBoundsMs),
    batch: new BucketCounter(durationBoundsMs),
    infer: new BucketCounter(durationBoundsMs),
    encode: new BucketCounter(durationBoundsMs),
  };
  readonly batchRows = new BucketCounter(rowBounds);
  /** Per number of rows; as many entries as the largest batch has rows, at most. */
  readonly batchSizes = new Map<number, { count: number; inferMs: number }>();
  readonly releases: Record<ReleaseReason, number> = {
    full: 0,
    idle: 0,
    'linger-expired': 0,
    drain: 0,
    solo: 0,
  };
  readonly sheds: Record<ShedReason, number> = {
    deadline: 0,
    'queue-rows': 0,
    'queue-bytes': 0,
    'in-flight': 0,
    'shutting-down': 0,
  };
  readonly restarts: Record<'crash' | 'hang', number> = { crash: 0, hang: 0 };
  readonly cachedRows: Record<CacheRowOutcome, number> = {
    memory: 0,
    redis: 0,
    database: 0,
    miss: 0,
    bypass: 0,
    joined: 0,
    stale: 0,
  };
  readonly cacheTiers: Readonly<Record<FarTier, Readonly<Record<'read' | 'write', TierMeter>>>> = {
    redis: { read: new TierMeter(), write: new TierMeter() },
    database: { read: new TierMeter(), write: new TierMeter() },
  };
  busyMs = 0;
  /** Milliseconds since 1970; 0 before the first batch. */
  lastBatchMs = 0;
  expiredRequests = 0;
  cancelledRequests = 0;
  loads = 0;
  failedLoads = 0;
  lastLoadMs: number | undefined;

  /** Empty names: requests that reached no model. `wallClock` gives milliseconds since 1970. */
  constructor(model: string, version: string, performance: PerformanceRecorder, wallClock: () => number) {
    this.model = model;
    this.version = version;
    this.labels = model === '' ? '' : renderLabels({ model, version });
    this.#wallClock = wallClock;
    this.#performance = performance;
  }

  request(protocol: Protocol, code: AnswerCode, durationMs: number): void {
    let meter = this.protocols.get(protocol);
    if (meter === undefined) {
      meter = new ProtocolMeter();
      this.protocols.set(protocol, meter);
    }
    meter.request(code, durationMs);
    this.#performance.request(code === 'OK', durationMs);
  }

  stages(timing: InferTiming, parseMs: number, encodeMs: number): void {
    const durations = this.stageDurations;
    durations.decode.observe(parseMs + timing.decodeMs);
    durations.queue.observe(timing.queueMs);
    durations.batch.observe(timing.batchMs);
    durations.infer.observe(timing.inferMs);
    durations.encode.observe(encodeMs);
  }

  batch(rows: number, _requests: number, reason: ReleaseReason, inferMs: number): void {
    this.batchRows.observe(rows);
    this.#countSize(rows, inferMs);
    this.lastBatchMs = this.#wallClock();
    this.releases[reason] += 1;
    if (inferMs > 0) this.busyMs += inferMs;
    this.#performance.batch(rows);
  }

  #countSize(rows: number, inferMs: number): void {
    let size = this.batchSizes.get(rows);
    if (size === undefined) {
      size = { count: 0, inferMs: 0 };
      this.batchSizes.set(rows, size);
    }
    size.count += 1;
    if (inferMs > 0) size.inferMs += inferMs;
  }

  shed(reason: ShedReason): void {
    this.sheds[reason] += 1;
  }

  expired(): void {
    this.expiredRequests += 1;
  }

  cancelled(): void {
    this.cancelledRequests += 1;
  }

  workerRestarted(cause: 'crash' | 'hang'): void {
    this.restarts[cause] += 1;
  }

  cacheRows(outcome: CacheRowOutcome, rows: number): void {
    this.cachedRows[outcome] += rows;
  }

  cacheTier(tier: FarTier, operation: 'read' | 'write', result: TierResult, durationMs: number): void {
    const meter = this.cacheTiers[tier][operation];
    meter.results[result] += 1;
    if (result !== 'skipped') meter.durations.observe(durationMs);
  }
}
