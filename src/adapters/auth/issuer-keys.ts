/**
 * The keys of one foreign issuer, by its JWKS address. Fetched at start, when older than ten minutes, and when a token names an unknown
 * key, at most once in 30 s; the last known keys go on while the issuer is down. Owned by the token verifier.
 */
import type { CryptoKey } from 'jose';
import type { AuthIssuer } from '../../ports/access-config.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import { importKeys, selectKey, type VerificationKey } from './verification-keys.ts';

export interface IssuerKeysDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

const refetchMs = 30_000;
const freshMs = 600_000;
/** Longest that a request waits for a fetch; the fetch itself may take longer. */
const waitMs = 2000;
const fetchTimeoutMs = 5000;
const maxBytes = 512 * 1024;
const maxKeys = 100;

export class IssuerKeys {
  readonly #issuer: AuthIssuer;
  readonly #deps: IssuerKeysDeps;
  readonly #closing = new AbortController();
  #keys: readonly VerificationKey[] = [];
  #fetchedMs = Number.NEGATIVE_INFINITY;
  #triedMs = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  constructor(issuer: AuthIssuer, deps: IssuerKeysDeps) {
    this.#issuer = issuer;
    this.#deps = deps;
  }

  async find(kid: string | undefined, alg: string): Promise<CryptoKey | undefined> {
    const known = selectKey(this.#keys, kid, alg);
    if (known !== undefined) {
      if (this.#deps.clock.now() - this.#fetchedMs > freshMs) void this.fetch();
      return known;
    }
    await this.#waitFor(this.fetch());
    return selectKey(this.#keys, kid, alg);
  }

  /** Never rejects. Does nothing when the last try was a moment ago. */
  fetch(): Promise<void> {
    const nowMs = this.#deps.clock.now();
    if (this.#fetching === undefined && nowMs - this.#triedMs >= refetchMs && !this.#closing.signal.aborted) {
      this.#triedMs = nowMs;
      this.#fetching = this.#fetchOnce().finally(() => {
        this.#fetching = undefined;
      });
    }
    return this.#fetching ?? Promise.resolve();
  }

  close(): void {
    this.#closing.abort();
  }

  async #fetchOnce(): Promise<void> {
    const { jwksUrl, issuer, algorithms } = this.#issuer;
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(fetchTimeoutMs)]);
      // A redirect could lead anywhere, also away from https.
      const response = await fetch(jwksUrl, { redirect: 'error', signal, headers: { accept: 'application/json' } });
      if (!response.ok) throw new Error(`It answered ${response.status}.`);
      const { keys } = JSON.parse(await readBounded(response)) as { keys?: unknown };
      if (!Array.isArray(keys)) throw new Error('It answered no key set.');
      this.#keys = await importKeys(keys.slice(0, maxKeys), algorithms);
      this.#fetchedMs = this.#deps.clock.now();
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      const known = this.#keys.length;
      this.#deps.logger.warn({ issuer, knownKeys: known, error }, 'The keys of a token issuer could not be fetched.');
    }
  }

  async #waitFor(fetching: Promise<void>): Promise<void> {
    const { clock } = this.#deps;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.after(waitMs, resolve);
    await Promise.race([fetching, promise]);
    clock.clear(timer);
  }
}

async function readBounded(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > maxBytes) throw new Error('It answered too much.');
  }
  return text + decoder.decode();
}
