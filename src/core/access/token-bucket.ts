/**
 * A token bucket of this process: `burst` tokens at most, `ratePerSecond` come back, each request takes one. Computed when asked, no
 * timer. Never lets through more than burst + rate * time. Used by caller accounts, by the login gate, and while Redis is away.
 */
import type { BucketRule } from '../../ports/shared-limits.ts';

/** What an account asks of its rate limit, be it of this process or shared. */
export interface RateSource {
  /** Whether the request may go; a promise only when tokens must be fetched first. */
  take(nowMs: number): boolean | Promise<boolean>;
  /** Whole tokens left. */
  remaining(nowMs: number): number;
  /** Until the next token. */
  retryAfterMs(nowMs: number): number;
  /** Until the bucket is full again. */
  resetMs(nowMs: number): number;
  /** Whether forgetting it would change nothing. */
  isIdle(nowMs: number): boolean;
}

export class TokenBucket implements RateSource {
  readonly #ratePerMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor({ ratePerSecond, burst }: BucketRule, nowMs: number) {
    this.#ratePerMs = ratePerSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Counts a request that something else let through. */
  drain(nowMs: number): void {
    this.#refill(nowMs);
    this.#tokens = Math.max(0, this.#tokens - 1);
  }

  giveBack(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }

  remaining(nowMs: number): number {
    this.#refill(nowMs);
    return Math.floor(this.#tokens);
  }

  retryAfterMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#tokens >= 1 ? 0 : (1 - this.#tokens) / this.#ratePerMs;
  }

  resetMs(nowMs: number): number {
    this.#refill(nowMs);
    return (this.#burst - this.#tokens) / this.#ratePerMs;
  }

  isIdle(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens >= this.#burst;
  }

  #refill(nowMs: number): void {
    if (nowMs <= this.#atMs) return;
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#ratePerMs);
    this.#atMs = nowMs;
  }
}
