/**
 * The accounts of all callers with limits, by caller id. Accounts whose limits are whole again are forgotten, looked for whenever the
 * table has doubled; beyond the cap the oldest without requests in progress goes. Owned by the guard.
 */
import type { Caller, CallerLimits, Grant } from '../../ports/access.ts';
import { type AccountDeps, CallerAccount } from './caller-account.ts';

const firstSweep = 1024;
const maxAccounts = 100_000;

/** A caller's own limits, and the server's for what it has none of. A rate of its own does not take the server's burst. */
export function effectiveLimits(own: CallerLimits, defaults: CallerLimits): CallerLimits {
  return {
    requestsPerSecond: own.requestsPerSecond ?? defaults.requestsPerSecond,
    burst: own.burst ?? (own.requestsPerSecond === undefined ? defaults.burst : undefined),
    requestsPerDay: own.requestsPerDay ?? defaults.requestsPerDay,
    concurrency: own.concurrency ?? defaults.concurrency,
  };
}

function isUnlimited({ requestsPerSecond, requestsPerDay, concurrency }: CallerLimits): boolean {
  return requestsPerSecond === undefined && requestsPerDay === undefined && concurrency === undefined;
}

function sameLimits(one: CallerLimits, other: CallerLimits): boolean {
  return (
    one.requestsPerSecond === other.requestsPerSecond &&
    one.burst === other.burst &&
    one.requestsPerDay === other.requestsPerDay &&
    one.concurrency === other.concurrency
  );
}

/** What is worked out once per caller object; callers are remembered by key ring and token memory. */
interface CallerFile {
  readonly limits: CallerLimits;
  /** For callers without limits: one grant for all their requests. */
  readonly grant: Grant | undefined;
}

export class AccountTable {
  readonly #deps: AccountDeps;
  readonly #defaults: CallerLimits;
  readonly #files = new WeakMap<Caller, CallerFile>();
  readonly #accounts = new Map<string, CallerAccount>();
  #sweepAt = firstSweep;

  constructor(defaults: CallerLimits, deps: AccountDeps) {
    this.#defaults = defaults;
    this.#deps = deps;
  }

  get size(): number {
    return this.#accounts.size;
  }

  enter(caller: Caller): Grant | Error | Promise<Grant | Error> {
    const { grant, limits } = this.#files.get(caller) ?? this.#open(caller);
    if (grant !== undefined) return grant;
    const account = this.#accounts.get(caller.id);
    const isCurrent = account !== undefined && (account.limits === limits || sameLimits(account.limits, limits));
    return (isCurrent ? account : this.#add(caller.id, limits)).enter(caller);
  }

  /** Tells the other servers what they do not know yet; at the end. Never rejects. */
  async flush(): Promise<void> {
    const unixMs = this.#deps.unixMs();
    await Promise.all([...this.#accounts.values()].map((account) => account.flush(unixMs)));
  }

  #open(caller: Caller): CallerFile {
    const limits = effectiveLimits(caller.limits, this.#defaults);
    const grant = isUnlimited(limits) ? Object.freeze({ caller, headers: Object.freeze([]), release() {} }) : undefined;
    const file = { limits, grant };
    this.#files.set(caller, file);
    return file;
  }

  /** Changed limits begin anew; grants of the old account go back to the old account. */
  #add(id: string, limits: CallerLimits): CallerAccount {
    if (this.#accounts.size >= this.#sweepAt) this.#sweep();
    void this.#accounts.get(id)?.flush(this.#deps.unixMs());
    const account = new CallerAccount(id, limits, this.#deps);
    this.#accounts.set(id, account);
    return account;
  }

  #sweep(): void {
    const nowMs = this.#deps.clock.now();
    const unixMs = this.#deps.unixMs();
    for (const [id, account] of this.#accounts) {
      if (account.isIdle(nowMs, unixMs)) this.#accounts.delete(id);
    }
    for (const [id, account] of this.#accounts) {
      // Some room at once, or at the cap every new caller would cost a sweep.
      if (this.#accounts.size < maxAccounts * 0.9) break;
      if (account.active === 0) this.#accounts.delete(id);
    }
    this.#sweepAt = Math.max(firstSweep, Math.min(maxAccounts, this.#accounts.size * 2));
  }
}
