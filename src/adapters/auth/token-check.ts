/**
 * Verifies bearer tokens: the unverified `iss` chooses whose rules hold, then signature, algorithm, audience and times are checked by
 * these rules. Algorithms come from the settings, keys from the key file or the issuer's address, never from the token. Never rejects.
 */
import type * as Jose from 'jose';
import { CredentialFault, type FaultReason, faults } from '../../core/access/refusal.ts';
import { type Claims, callerOfIssuer, callerOfUser } from '../../core/access/token-claims.ts';
import type { TokenCheck } from '../../core/access/token-memory.ts';
import type { Caller } from '../../ports/access.ts';
import type { AuthIssuer, AuthUser } from '../../ports/access-config.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import { type OwnKeys, ownAlgorithms } from './own-keys.ts';

export interface TokenCheckDeps {
  readonly own: TokenIssuerOfUsers | undefined;
  readonly issuers: readonly { readonly rules: AuthIssuer; readonly keys: Pick<IssuerKeys, 'find'> }[];
  readonly unixMs: () => number;
}

export interface TokenIssuerOfUsers {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: Pick<OwnKeys, 'find'>;
  readonly users: ReadonlyMap<string, AuthUser>;
}

/** One issuer, own or foreign. */
interface Rules {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly algorithms: readonly string[];
  find(kid: string | undefined, alg: string): Promise<Jose.CryptoKey | undefined>;
  callerOf(claims: Claims): Caller | CredentialFault;
}

/** Clocks of issuers differ. */
const leewaySeconds = 60;
/** Three parts; anything else is not worth a parser. */
const compact = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
/** Tokens of other uses, such as `dpop+jwt` or `logout+jwt`, must not pass as access tokens. */
const types: readonly unknown[] = [undefined, 'jwt', 'at+jwt', 'application/at+jwt'];

export async function createTokenCheck({ own, issuers, unixMs }: TokenCheckDeps): Promise<TokenCheck> {
  const jose = await import('jose');
  const rules = new Map<string, Rules>();
  for (const { rules: issuer, keys } of issuers) {
    const callerOf = (claims: Claims) => callerOfIssuer(claims, issuer);
    rules.set(issuer.issuer, { ...issuer, find: (kid, alg) => keys.find(kid, alg), callerOf });
  }
  if (own !== undefined) {
    const { issuer, audience, keys, users } = own;
    rules.set(issuer, {
      issuer,
      audience: [audience],
      algorithms: ownAlgorithms,
      find: (kid, alg) => keys.find(kid, alg),
      callerOf: (claims) => callerOfUser(claims, users),
    });
  }
  return async (token) => {
    try {
      const chosen = chooseRules(jose, token, rules);
      return chosen instanceof CredentialFault ? chosen : await verify(jose, token, chosen, unixMs());
    } catch (error) {
      return faults[reasonOf(error)];
    }
  };
}

function chooseRules(jose: typeof Jose, token: string, rules: ReadonlyMap<string, Rules>): Rules | CredentialFault {
  if (!compact.test(token)) return faults.malformed;
  const { alg, typ, crit } = jose.decodeProtectedHeader(token);
  // There is no extension that we understand.
  if (crit !== undefined || !types.includes(typeof typ === 'string' ? typ.toLowerCase() : typ)) return faults.malformed;
  const { iss } = jose.decodeJwt(token);
  const chosen = iss === undefined ? undefined : rules.get(iss);
  if (chosen === undefined) return faults['unknown-issuer'];
  return typeof alg === 'string' && chosen.algorithms.includes(alg) ? chosen : faults['bad-algorithm'];
}

async function verify(jose: typeof Jose, token: string, rules: Rules, nowMs: number): ReturnType<TokenCheck> {
  const { payload } = await jose.jwtVerify(
    token,
    // jku, x5u, x5c and jwk of the header are not looked at.
    async ({ kid, alg }) => {
      const key = await rules.find(typeof kid === 'string' ? kid : undefined, alg!);
      if (key === undefined) throw new UnknownKeyError();
      return key;
    },
    {
      algorithms: [...rules.algorithms],
      issuer: rules.issuer,
      audience: [...rules.audience],
      clockTolerance: leewaySeconds,
      currentDate: new Date(nowMs),
      requiredClaims: ['exp', 'sub'],
    },
  );
  const caller = rules.callerOf(payload);
  return caller instanceof CredentialFault ? caller : { caller, untilMs: (payload.exp! + leewaySeconds) * 1000 };
}

class UnknownKeyError extends Error {}

function reasonOf(error: unknown): FaultReason {
  if (error instanceof UnknownKeyError) return 'unknown-token-key';
  const { code, claim } = error as { readonly code?: string; readonly claim?: string };
  switch (code) {
    case 'ERR_JWT_EXPIRED':
      return 'expired-token';
    case 'ERR_JWT_CLAIM_VALIDATION_FAILED':
      if (claim === 'aud') return 'wrong-audience';
      return claim === 'nbf' ? 'early-token' : 'bad-claims';
    case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED':
      return 'bad-signature';
    case 'ERR_JOSE_ALG_NOT_ALLOWED':
      return 'bad-algorithm';
    case 'ERR_JWS_INVALID':
    case 'ERR_JWT_INVALID':
      return 'malformed';
    default:
      return error instanceof TypeError ? 'malformed' : 'unverifiable';
  }
}
