/** What the load generator is asked to do and what it reports. Plain data: it crosses a process boundary. */
import type { Arrivals } from './arrivals.ts';
import type { HistogramData } from './histogram.ts';
import type { Target } from './http-connection.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** The right answer to one request. Numbers agree within `tolerance`, absolute or relative, whichever is wider. */
export type Expectation =
  | {
      readonly kind: 'json' | 'msgpack';
      /** Keys and indices that lead to the value inside the answer. */
      readonly path: readonly (string | number)[];
      readonly value: JsonValue;
      readonly tolerance: number;
    }
  | {
      /** The body is little-endian floats and nothing else, or ends with them. */
      readonly kind: 'float32';
      /** @default 'whole' */
      readonly where?: 'whole' | 'end';
      readonly values: Float32Array;
      readonly tolerance: number;
    };

export interface LoadRequest {
  /** The complete HTTP/1.1 request. */
  readonly bytes: Uint8Array;
  /** Everything listed must hold. */
  readonly expect: readonly Expectation[];
}

interface JobBase {
  readonly target: Target;
  /** Taken in turn, so that different requests are in flight together and swapped answers are caught. */
  readonly requests: readonly LoadRequest[];
  /** Compare every k-th 2xx answer with its expectation; 1 compares all, 0 none. @default 1 */
  readonly checkEvery?: number;
  /** A 2xx later than this is late. @default Infinity */
  readonly sloMs?: number;
  /** @default 10000 */
  readonly timeoutMs?: number;
  /** Time at the start that is not recorded. @default 0 */
  readonly warmupMs?: number;
}

/** C connections, each sending its next request when the answer to the last one is there. */
export interface ClosedLoopJob extends JobBase {
  readonly kind: 'closed';
  readonly connections: number;
  /** Recorded time; undefined needs `count`. */
  readonly durationMs?: number;
  /** Stop after so many recorded answers. */
  readonly count?: number;
}

/** Requests leave when the schedule says so, whatever the server does; latency counts from the intended time. */
export interface OpenLoopJob extends JobBase {
  readonly kind: 'open';
  /** The recorded part; the warm-up comes before it at the same rate. */
  readonly arrivals: Arrivals;
  /** Requests beyond so many in flight are dropped and counted as failed. @default 1000 */
  readonly maxInFlight?: number;
}

export type LoadJob = ClosedLoopJob | OpenLoopJob;

export interface LatencySummary {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly data: HistogramData;
}

export interface LoadReport {
  /** Recorded time. */
  readonly seconds: number;
  /** Requests that were due in the recorded time: answered + refused + failed + timed out + dropped. */
  readonly offered: number;
  /** 2xx within the SLO, the goodput. */
  readonly inTime: number;
  readonly late: number;
  /** 429 and 503. */
  readonly refused: number;
  readonly timedOut: number;
  /** Never sent, because the cap on requests in flight was reached. */
  readonly dropped: number;
  /** Reset, refused or malformed connections, by reason. */
  readonly broken: Readonly<Record<string, number>>;
  readonly statuses: Readonly<Record<string, number>>;
  readonly checked: number;
  readonly wrong: number;
  /** The first wrong answer in words. */
  readonly firstWrong: string | undefined;
  /** 2xx and timeouts (counted at their timeout or later). Open loop: from the intended time. */
  readonly latency: LatencySummary;
  /** 429 and 503 only. */
  readonly refusalLatency: LatencySummary;
  /** How late requests left, open loop only. */
  readonly lag: LatencySummary;
  /** CPU time of the generator as a share of one core. */
  readonly cpuShare: number;
  /** 2xx per second, in time or late. */
  readonly answersPerSecond: number;
  readonly goodputPerSecond: number;
}
