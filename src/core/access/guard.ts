/**
 * Decides who may ask: credential, role, limits, in this order. Called by every protocol once per request; synchronous for API keys and
 * for tokens seen before. Pure: keys, tokens, time and log come in. Must never say why a credential was refused.
 */
import type { AccessGuard, Caller, CallerLimits, Credentials, Grant, Role, RouteRole } from '../../ports/access.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { SharedLimits } from '../../ports/shared-limits.ts';
import { AccountTable } from './account-table.ts';
import { looksLikeKey } from './api-key.ts';
import type { KeyRing } from './key-ring.ts';
import {
  CredentialFault,
  type FaultReason,
  faults,
  permissionDenied,
  RefusalCounter,
  unauthenticated,
} from './refusal.ts';
import { mayAct } from './role.ts';
import type { TokenMemory } from './token-memory.ts';

export interface GuardDeps {
  readonly clock: Clock;
  readonly unixMs: () => number;
  readonly logger: Logger;
  /** To count together with the login. @default one of its own */
  readonly refused?: RefusalCounter;
  readonly keys: Pick<KeyRing, 'find' | 'size'>;
  /** Undefined: nobody issues tokens. */
  readonly tokens: Pick<TokenMemory, 'find' | 'size'> | undefined;
  /** For callers without limits of their own. */
  readonly defaults: CallerLimits;
  /** Undefined: limits count in this process. */
  readonly shared: SharedLimits | undefined;
}

/** For metrics, at scrape time. */
export interface AccessSnapshot {
  readonly refused: Readonly<Record<FaultReason, number>>;
  /** Known and authenticated, but not allowed. */
  readonly denied: number;
  readonly limited: number;
  readonly keys: number;
  readonly rememberedTokens: number;
  /** Callers whose limits are in use. */
  readonly accounts: number;
}

export interface Guard extends AccessGuard {
  snapshot(): AccessSnapshot;
  /** Tells shared counters what they do not know yet. Never rejects. */
  close(): Promise<void>;
}

export function createAccessGuard(deps: GuardDeps): Guard {
  return new CallerGuard(deps);
}

const anonymous: Caller = Object.freeze({ id: 'anonymous', role: 'predict', models: undefined, limits: {} });
const anonymousGrant: Grant = Object.freeze({ caller: anonymous, headers: Object.freeze([]), release() {} });

type Found = Caller | CredentialFault;

class CallerGuard implements Guard {
  readonly #deps: GuardDeps;
  readonly #accounts: AccountTable;
  readonly #refused: RefusalCounter;
  #denied = 0;
  #limited = 0;

  constructor(deps: GuardDeps) {
    this.#deps = deps;
    this.#accounts = new AccountTable(deps.defaults, deps);
    this.#refused = deps.refused ?? new RefusalCounter(deps.logger);
  }

  enter(credentials: Credentials, role: RouteRole): Grant | Error | Promise<Grant | Error> {
    if (role === 'public') return anonymousGrant;
    const found = this.#find(credentials);
    return found instanceof Promise ? found.then((each) => this.#admit(each, role)) : this.#admit(found, role);
  }

  async identify(credentials: Credentials, role: RouteRole): Promise<Caller | undefined | Error> {
    const found = await this.#find(credentials);
    // A probe with a stale token is a probe.
    if (role === 'public') return found instanceof CredentialFault ? undefined : found;
    return this.#permit(found, role);
  }

  snapshot(): AccessSnapshot {
    return {
      refused: this.#refused.counts(),
      denied: this.#denied,
      limited: this.#limited,
      keys: this.#deps.keys.size,
      rememberedTokens: this.#deps.tokens?.size ?? 0,
      accounts: this.#accounts.size,
    };
  }

  close(): Promise<void> {
    return this.#accounts.flush();
  }

  #find({ authorization, apiKey }: Credentials): Found | Promise<Found> {
    if (authorization === undefined) {
      if (apiKey === undefined) return faults.missing;
      return this.#deps.keys.find(apiKey);
    }
    const text = bearerOf(authorization);
    if (text === undefined) return faults.malformed;
    if (apiKey !== undefined && apiKey !== text) return faults.conflict;
    if (looksLikeKey(text)) return this.#deps.keys.find(text);
    return this.#deps.tokens === undefined ? faults['unknown-issuer'] : this.#deps.tokens.find(text);
  }

  #permit(found: Found, role: Role): Caller | Error {
    if (found instanceof CredentialFault) {
      this.#refused.add(found.reason, this.#deps.clock.now());
      return unauthenticated();
    }
    if (mayAct(found.role, role)) return found;
    this.#denied++;
    return permissionDenied(`This needs the role "${role}"; the caller has "${found.role}".`);
  }

  #admit(found: Found, role: Role): Grant | Error | Promise<Grant | Error> {
    const caller = this.#permit(found, role);
    if (caller instanceof Error) return caller;
    const entered = this.#accounts.enter(caller);
    return entered instanceof Promise ? entered.then((each) => this.#note(each)) : this.#note(entered);
  }

  #note(entered: Grant | Error): Grant | Error {
    if (entered instanceof Error) this.#limited++;
    return entered;
  }
}

/** What follows `Bearer `, in any case; undefined for other schemes. */
function bearerOf(authorization: string): string | undefined {
  if (authorization.startsWith('Bearer ')) return authorization.slice(7);
  return authorization.slice(0, 7).toLowerCase() === 'bearer ' ? authorization.slice(7).trim() : undefined;
}
