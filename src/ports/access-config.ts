/** Who may ask, as the settings say it: users and foreign issuers. Checked by config/auth-fields.ts, read by core/access and adapters/auth. */
import type { CallerLimits, Role } from './access.ts';

/** scrypt with its parameters; see `hotpath auth hash`. */
export interface PasswordHash {
  /** N, a power of two. */
  readonly cost: number;
  /** r */
  readonly blockSize: number;
  /** p */
  readonly parallel: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

export interface AuthUser {
  readonly name: string;
  readonly password: PasswordHash;
  readonly role: Role;
  readonly models: readonly string[] | undefined;
  readonly limits: CallerLimits;
}

export interface AuthIssuer {
  /** The `iss` of its tokens. */
  readonly issuer: string;
  /** Tokens must name one of these in `aud`. */
  readonly audience: readonly string[];
  /** https, or http on loopback. */
  readonly jwksUrl: string;
  readonly algorithms: readonly string[];
  /** The most its tokens may do; without `roleClaim`, what they may do. */
  readonly role: Role;
  /** Claim that holds a role or a list of them; a path with dots when there is no claim of that very name. */
  readonly roleClaim: string | undefined;
  readonly limits: CallerLimits;
}
