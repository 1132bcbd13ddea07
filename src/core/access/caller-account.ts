/**
 * What one caller has used of its limits: places at once, requests of the day, rate. Owned by the account table. A request takes all
 * three or none; its grant gives the place back once.
 */
import type { Caller, CallerLimits, Grant } from '../../ports/access.ts';
import type { Clock } from '../../ports/clock.ts';
import type { SharedLimits } from '../../ports/shared-limits.ts';
import { DayCount, untilMidnightMs } from './day-count.ts';
import { limitHeaders, policyText } from './limit-headers.ts';
import { rateLimited } from './refusal.ts';
import { SharedBucket } from './shared-bucket.ts';
import { type RateSource, TokenBucket } from './token-bucket.ts';

export interface AccountDeps {
  readonly clock: Clock;
  readonly unixMs: () => number;
  readonly shared: SharedLimits | undefined;
}

const noHeaders: readonly string[] = Object.freeze([]);
/** When a place becomes free nobody knows; a short pause costs little. */
const concurrencyRetryMs = 100;

export class CallerAccount {
  readonly limits: CallerLimits;
  readonly #deps: AccountDeps;
  readonly #rate: RateSource | undefined;
  readonly #days: DayCount | undefined;
  readonly #burst: number;
  readonly #policy: string;
  readonly #rateText: string;
  readonly #dayText: string;
  #active = 0;

  constructor(id: string, limits: CallerLimits, deps: AccountDeps) {
    const { requestsPerSecond: ratePerSecond, requestsPerDay: perDay } = limits;
    this.limits = limits;
    this.#deps = deps;
    this.#burst = Math.max(1, limits.burst ?? ratePerSecond ?? 1);
    this.#rate = ratePerSecond === undefined ? undefined : openBucket(id, ratePerSecond, this.#burst, deps);
    this.#days = perDay === undefined ? undefined : new DayCount(id, deps.shared);
    this.#policy = policyText({ ratePerSecond, burst: this.#burst, perDay });
    this.#rateText = `${Math.floor(this.#burst)}`;
    this.#dayText = `${perDay}`;
  }

  /** Requests that are in. */
  get active(): number {
    return this.#active;
  }

  enter(caller: Caller): Grant | Error | Promise<Grant | Error> {
    const { concurrency, requestsPerDay } = this.limits;
    const nowMs = this.#deps.clock.now();
    const unixMs = this.#days === undefined ? 0 : this.#deps.unixMs();
    if (concurrency !== undefined && this.#active >= concurrency) {
      return rateLimited(
        `This caller may have ${concurrency} requests in progress at once.`,
        concurrencyRetryMs,
        this.#headers(nowMs, unixMs),
      );
    }
    if (this.#days !== undefined && !this.#days.take(unixMs, requestsPerDay!)) {
      return rateLimited(
        `This caller has used its ${requestsPerDay} requests of the day (UTC).`,
        untilMidnightMs(unixMs),
        this.#headers(nowMs, unixMs),
      );
    }
    // Before the wait for tokens, or more than `concurrency` could wait at once and all get in.
    this.#active++;
    const taken = this.#rate === undefined || this.#rate.take(nowMs);
    if (typeof taken === 'boolean') return this.#settle(caller, taken, nowMs, unixMs);
    return taken.then((each) => this.#settle(caller, each, this.#deps.clock.now(), unixMs));
  }

  leave(): void {
    this.#active--;
  }

  /** Whether forgetting it gives the caller nothing. */
  isIdle(nowMs: number, unixMs: number): boolean {
    return this.#active === 0 && (this.#rate?.isIdle(nowMs) ?? true) && (this.#days?.isIdle(unixMs) ?? true);
  }

  flush(unixMs: number): Promise<void> {
    return this.#days?.flush(unixMs) ?? Promise.resolve();
  }

  #settle(caller: Caller, taken: boolean, nowMs: number, unixMs: number): Grant | Error {
    if (taken) return new CountedGrant(caller, this.#headers(nowMs, unixMs), this);
    this.#active--;
    this.#days?.giveBack();
    return rateLimited(
      `This caller may send ${this.limits.requestsPerSecond} requests per second.`,
      this.#rate!.retryAfterMs(nowMs),
      this.#headers(nowMs, unixMs),
    );
  }

  #headers(nowMs: number, unixMs: number): readonly string[] {
    if (this.#rate === undefined && this.#days === undefined) return noHeaders;
    const left = this.#rate === undefined ? Number.POSITIVE_INFINITY : this.#rate.remaining(nowMs);
    if (this.#days !== undefined) {
      const leftToday = this.#days.remaining(unixMs, this.limits.requestsPerDay!);
      if (leftToday < left) return limitHeaders(this.#dayText, this.#policy, leftToday, untilMidnightMs(unixMs));
    }
    return limitHeaders(this.#rateText, this.#policy, left, this.#rate!.resetMs(nowMs));
  }
}

function openBucket(id: string, ratePerSecond: number, burst: number, { clock, shared }: AccountDeps): RateSource {
  const rule = { ratePerSecond, burst };
  return shared === undefined ? new TokenBucket(rule, clock.now()) : new SharedBucket(id, rule, shared, clock);
}

class CountedGrant implements Grant {
  readonly caller: Caller;
  readonly headers: readonly string[];
  #account: CallerAccount | undefined;

  constructor(caller: Caller, headers: readonly string[], account: CallerAccount) {
    this.caller = caller;
    this.headers = headers;
    this.#account = account;
  }

  release(): void {
    // A second call would give away somebody else's place.
    const account = this.#account;
    this.#account = undefined;
    account?.leave();
  }
}
