/**
 * What the seams report, once each. Gauges (queue depth, in flight, busy, capacity) are not pushed: the exporter reads
 * them from the registry's snapshot at scrape time, so the hot path pays only for counters and histograms.
 */
import type { ErrorCode } from '../core/errors.ts';
import type { InferTiming, ReleaseReason } from '../core/types.ts';
import type { CacheOutcome, FarTier } from './cache-store.ts';

export type Protocol = 'rest' | 'oip-rest' | 'grpc';
export type ShedReason = 'deadline' | 'queue-rows' | 'queue-bytes' | 'in-flight' | 'shutting-down';

/** Pre-bound to one model version, so that observing costs no label lookup. */
export interface ModelTelemetry {
  /** Edge, once per answered request. `code` is 'OK' or the error's code. */
  request(protocol: Protocol, code: 'OK' | ErrorCode, durationMs: number): void;
  /** Edge, once per successful request: the stages of its timing, with parsing before and encoding after. */
  stages(timing: InferTiming, parseMs: number, encodeMs: number): void;
  /** Batcher, once per executed batch. */
  batch(rows: number, requests: number, reason: ReleaseReason, inferMs: number): void;
  shed(reason: ShedReason): void;
  expired(): void;
  cancelled(): void;
  workerRestarted(cause: 'crash' | 'hang'): void;
  /** Cache, once per request and outcome of its rows. `joined`: waited for another request that computes the same. */
  cacheRows(outcome: CacheRowOutcome, rows: number): void;
  /** Cache, once per read or write of a tier beyond memory. `skipped`: its breaker is open, or too much waits to be written. */
  cacheTier(
    tier: FarTier,
    operation: 'read' | 'write',
    result: 'ok' | 'timeout' | 'error' | 'skipped',
    durationMs: number,
  ): void;
}

/** `stale` counts in addition to the tier it was found in. */
export type CacheRowOutcome = CacheOutcome | 'joined' | 'stale';

export interface Telemetry {
  forModel(model: string, version: string): ModelTelemetry;
  /** Requests that never reached a model: bad route, unknown model, malformed body. */
  unroutedRequest(protocol: Protocol, code: ErrorCode, durationMs: number): void;
  modelLoaded(model: string, version: string, loadMs: number): void;
  modelLoadFailed(model: string, version: string): void;
}
