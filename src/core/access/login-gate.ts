/**
 * Keeps password guessing slow and cheap: failed attempts are limited per name and in total, and at most two hashes are computed at
 * once, with a bounded line before them (scrypt takes a core and 16 MiB each). Owned by the login. Says nothing of whether a name exists.
 */
import type { Clock } from '../../ports/clock.ts';
import { rateLimited } from './refusal.ts';
import { TokenBucket } from './token-bucket.ts';

const perName = { ratePerSecond: 0.1, burst: 5 };
const inTotal = { ratePerSecond: 10, burst: 50 };
const atOnce = 2;
const maxWaiting = 32;

export class LoginGate {
  readonly #clock: Clock;
  readonly #names = new Map<string, TokenBucket>();
  readonly #total: TokenBucket;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#total = new TokenBucket(inTotal, clock.now());
  }

  /** Runs `verify` when it is its turn; a success costs nothing of the limits. Returns RATE_LIMITED instead of throwing it. */
  async attempt(name: string, verify: () => Promise<boolean>): Promise<boolean | Error> {
    const nowMs = this.#clock.now();
    const bucket = this.#bucketOf(name, nowMs);
    // Taken before and given back after a success: many at once must not all see the last one free.
    if (!bucket.take(nowMs)) return refusal(bucket.retryAfterMs(nowMs));
    if (this.#running >= atOnce && this.#waiting.length >= maxWaiting) {
      bucket.giveBack();
      return refusal(1000);
    }
    if (!this.#total.take(nowMs)) {
      bucket.giveBack();
      return refusal(this.#total.retryAfterMs(nowMs));
    }
    const succeeded = await this.#inTurn(verify);
    if (succeeded) {
      bucket.giveBack();
      this.#total.giveBack();
    }
    return succeeded;
  }

  async #inTurn(verify: () => Promise<boolean>): Promise<boolean> {
    if (this.#running >= atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await verify();
    } finally {
      // The place goes on to the next in line.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  /** Bounded by the total rate: whoever failed longer ago than a bucket takes to fill is forgotten without a difference. */
  #bucketOf(name: string, nowMs: number): TokenBucket {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    if (this.#names.size >= 1000) this.#forget(nowMs);
    const bucket = new TokenBucket(perName, nowMs);
    this.#names.set(name, bucket);
    return bucket;
  }

  #forget(nowMs: number): void {
    for (const [name, bucket] of this.#names) {
      if (bucket.isIdle(nowMs)) this.#names.delete(name);
    }
  }
}

function refusal(retryAfterMs: number): Error {
  return rateLimited('Too many attempts to log in; try again later.', retryAfterMs);
}
