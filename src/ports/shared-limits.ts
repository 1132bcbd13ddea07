/** Limits of a caller counted over all servers together. Reached over a wire: whoever calls it goes on by its own count when it fails. */

export interface BucketRule {
  /** Tokens that come back per second. */
  readonly ratePerSecond: number;
  /** Most tokens in the bucket. */
  readonly burst: number;
}

export interface Taken {
  /** Of the wanted tokens; 0 when the bucket is empty. */
  readonly granted: number;
  /** Left in the bucket. */
  readonly remaining: number;
  /** Until the next token comes, 0 when there is one. */
  readonly retryAfterMs: number;
}

export interface SharedLimits {
  /** Takes up to `wanted` tokens at once, so that a server can serve several requests per round trip. */
  take(bucket: string, wanted: number, rule: BucketRule): Promise<Taken>;
  /** Adds to a counter of one UTC day (days since 1970) and returns its new value; it is forgotten a day later. */
  addToDay(counter: string, day: number, count: number): Promise<number>;
}
