/**
 * What the seams report, once each. Gauges (queue depth, in flight, busy, capacity) are not pushed: the exporter reads
 * them from the registry's snapshot at scrape time, so the hot path pays only for counters and histograms.
 */
import type { ErrorCode } from '../core/errors.ts';
import type { InferTiming, ReleaseReason } from '../core/types.ts';

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
}

export interface Telemetry {
  forModel(model: string, version: string): ModelTelemetry;
  /** Requests that never reached a model: bad route, unknown model, malformed body. */
  unroutedRequest(protocol: Protocol, code: ErrorCode, durationMs: number): void;
  modelLoaded(model: string, version: string, loadMs: number): void;
  modelLoadFailed(model: string, version: string): void;
}
