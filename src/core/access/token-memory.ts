/**
 * Bearer tokens: verified once, then remembered by their SHA-256 until they expire, at most five minutes, so that the next request with
 * the same token waits for nothing. Bounded in entries and in verifications at once. Owned by the guard.
 */
import type { Caller } from '../../ports/access.ts';
import { CredentialFault, faults } from './refusal.ts';

export interface CheckedToken {
  readonly caller: Caller;
  /** Unix milliseconds after which it must not be accepted, with the leeway for clocks. */
  readonly untilMs: number;
}

/** Never rejects: what it cannot verify is a fault. */
export type TokenCheck = (token: string) => Promise<CheckedToken | CredentialFault>;

export interface TokenMemoryDeps {
  readonly check: TokenCheck;
  /** A text that stands for SHA-256 of the token. */
  readonly fingerprint: (token: string) => string;
  readonly unixMs: () => number;
  /** @default 10000 */
  readonly maxTokens?: number;
  /** @default 256 */
  readonly maxChecks?: number;
}

const rememberMs = 300_000;
/** Longer ones are refused unread. */
const maxTokenLength = 8192;

export class TokenMemory {
  readonly #deps: TokenMemoryDeps;
  readonly #maxTokens: number;
  readonly #maxChecks: number;
  readonly #known = new Map<string, CheckedToken>();
  /** By fingerprint: many first requests with one token make one verification. */
  readonly #checks = new Map<string, Promise<Caller | CredentialFault>>();

  constructor(deps: TokenMemoryDeps) {
    this.#deps = deps;
    this.#maxTokens = deps.maxTokens ?? 10_000;
    this.#maxChecks = deps.maxChecks ?? 256;
  }

  get size(): number {
    return this.#known.size;
  }

  find(token: string): Caller | CredentialFault | Promise<Caller | CredentialFault> {
    if (token.length > maxTokenLength) return faults.malformed;
    const fingerprint = this.#deps.fingerprint(token);
    const known = this.#known.get(fingerprint);
    if (known !== undefined) {
      if (this.#deps.unixMs() < known.untilMs) return known.caller;
      this.#known.delete(fingerprint);
    }
    const running = this.#checks.get(fingerprint);
    if (running !== undefined) return running;
    // A flood of invented tokens must not queue up signatures to verify without end.
    if (this.#checks.size >= this.#maxChecks) return faults.unverifiable;
    const check = this.#check(token, fingerprint).finally(() => this.#checks.delete(fingerprint));
    this.#checks.set(fingerprint, check);
    return check;
  }

  async #check(token: string, fingerprint: string): Promise<Caller | CredentialFault> {
    const checked = await this.#deps.check(token);
    if (checked instanceof CredentialFault) return checked;
    if (this.#known.size >= this.#maxTokens) this.#known.delete(this.#known.keys().next().value!);
    const untilMs = Math.min(checked.untilMs, this.#deps.unixMs() + rememberMs);
    this.#known.set(fingerprint, { caller: checked.caller, untilMs });
    return checked.caller;
  }
}
