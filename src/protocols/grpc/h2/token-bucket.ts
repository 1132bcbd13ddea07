/**
 * Tells floods from traffic: tokens that come back with time. Used for pings, resets and frames that do nothing, one bucket of each
 * per connection.
 */

export interface BucketSize {
  readonly burst: number;
  readonly perSecond: number;
}

export class TokenBucket {
  readonly #size: BucketSize;
  #tokens: number;
  #atMs: number;

  constructor(size: BucketSize, nowMs: number) {
    this.#size = size;
    this.#tokens = size.burst;
    this.#atMs = nowMs;
  }

  /** Takes one token; false when there was none. */
  take(nowMs: number): boolean {
    const { burst, perSecond } = this.#size;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    this.#tokens -= 1;
    return this.#tokens >= 0;
  }
}
