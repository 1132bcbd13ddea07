/**
 * Why credentials were refused, and what the caller learns of it: always the same sentence. The reason goes to a counter and, at most
 * once in ten seconds per reason, to the log. Must never see the credential itself.
 */
import type { Logger } from '../../ports/logger.ts';
import { HotpathError } from '../errors.ts';

/** Label values of the counter. */
export const faultReasons = [
  'missing',
  'malformed',
  'conflict',
  'unknown-key',
  'wrong-key',
  'expired-key',
  'revoked-key',
  'unknown-issuer',
  'bad-algorithm',
  'unknown-token-key',
  'bad-signature',
  'expired-token',
  'early-token',
  'wrong-audience',
  'bad-claims',
  'no-role',
  'unknown-user',
  'wrong-password',
  'unverifiable',
] as const;
export type FaultReason = (typeof faultReasons)[number];

/** A credential that is not accepted. One frozen object per reason, so that a flood of them allocates nothing. */
export class CredentialFault {
  readonly reason: FaultReason;

  constructor(reason: FaultReason) {
    this.reason = reason;
  }
}

export const faults = Object.freeze(
  Object.fromEntries(faultReasons.map((reason) => [reason, Object.freeze(new CredentialFault(reason))])),
) as Readonly<Record<FaultReason, CredentialFault>>;

/** The one answer to every credential that is not accepted. */
export function unauthenticated(): HotpathError {
  return new HotpathError('UNAUTHENTICATED', 'Credentials that this server accepts are needed.');
}

export function permissionDenied(message: string): HotpathError {
  return new HotpathError('PERMISSION_DENIED', message);
}

/** @param headers of the grant that was not given. */
export function rateLimited(message: string, retryAfterMs: number, headers: readonly string[] = []): HotpathError {
  return new HotpathError('RATE_LIMITED', message, { retryAfterSeconds: Math.max(retryAfterMs, 1) / 1000, headers });
}

const logEveryMs = 10_000;

export class RefusalCounter {
  readonly #logger: Logger;
  readonly #counts = new Map<FaultReason, number>(faultReasons.map((reason) => [reason, 0]));
  readonly #logged = new Map<FaultReason, { atMs: number; count: number }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(reason: FaultReason, nowMs: number): void {
    const count = this.#counts.get(reason)! + 1;
    this.#counts.set(reason, count);
    const last = this.#logged.get(reason);
    if (last !== undefined && nowMs - last.atMs < logEveryMs) return;
    this.#logged.set(reason, { atMs: nowMs, count });
    this.#logger.warn({ reason, count: count - (last?.count ?? 0) }, 'Credentials were refused.');
  }

  counts(): Readonly<Record<FaultReason, number>> {
    return Object.fromEntries(this.#counts) as Record<FaultReason, number>;
  }
}
