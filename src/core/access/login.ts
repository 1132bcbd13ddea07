/**
 * POST /token: a user's name and password for a short-lived token. Called by the edge. An unknown name costs what a wrong password
 * does, and both get the answer that every refused credential gets.
 */
import type { AuthUser, PasswordHash } from '../../ports/access-config.ts';
import type { Clock } from '../../ports/clock.ts';
import type { HotpathError } from '../errors.ts';
import { LoginGate } from './login-gate.ts';
import { type RefusalCounter, unauthenticated } from './refusal.ts';

/** The body of the answer, by RFC 6749. */
export interface IssuedToken {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** Seconds. */
  readonly expires_in: number;
}

export interface LoginDeps {
  readonly users: ReadonlyMap<string, AuthUser>;
  readonly verifyPassword: (password: string, hash: PasswordHash) => Promise<boolean>;
  /** Signs `{sub, role}` with issuer, audience and lifetime. */
  readonly sign: (claims: { readonly sub: string; readonly role: string }) => Promise<string>;
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly refused: RefusalCounter;
  /** Compared with for unknown names; with the parameters that the users' hashes have. */
  readonly decoy: PasswordHash;
}

/** UNAUTHENTICATED and RATE_LIMITED are returned; throws only when the token cannot be signed. */
export type IssueToken = (username: string, password: string) => Promise<IssuedToken | HotpathError>;

/** scrypt hashes whatever it gets: long inputs are not worth its time. */
const maxLength = 1024;

export function createLogin(deps: LoginDeps): IssueToken {
  const { users, verifyPassword, sign, ttlMs, clock, refused, decoy } = deps;
  const gate = new LoginGate(clock);

  return async (username, password) => {
    const isShort = username.length <= maxLength && password.length <= maxLength;
    const user = users.get(username);
    const passed = isShort && (await gate.attempt(username, () => verifyPassword(password, user?.password ?? decoy)));
    if (passed instanceof Error) return passed as HotpathError;
    if (!passed || user === undefined) {
      refused.add(user === undefined ? 'unknown-user' : 'wrong-password', clock.now());
      return unauthenticated();
    }
    const token = await sign({ sub: user.name, role: user.role });
    return { access_token: token, token_type: 'Bearer', expires_in: Math.floor(ttlMs / 1000) };
  };
}
