/**
 * Tells a ping flood from keepalive and bandwidth probes: a bucket of pings that fills up again with time. One per session; every
 * ping costs an answer, and gRPC's own servers refuse clients that send too many.
 */

/** Bandwidth probes come a few at a time, up to some ten a second. */
const burst = 200;
const perSecond = 20;

export class PingGuard {
  #tokens = burst;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Counts one ping; false when there were too many. */
  allows(nowMs: number): boolean {
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    this.#tokens -= 1;
    return this.#tokens >= 0;
  }
}
