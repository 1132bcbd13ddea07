/**
 * From the claims of a verified token to a caller. Pure. What a token claims is never more than its issuer or its user may: the lesser
 * role wins. Must not be called with claims whose signature was not checked.
 */
import type { Caller } from '../../ports/access.ts';
import type { AuthIssuer, AuthUser } from '../../ports/access-config.ts';
import { type CredentialFault, faults } from './refusal.ts';
import { isRole, lesserRole, roles } from './role.ts';

export type Claims = Readonly<Record<string, unknown>>;

const maxSubject = 256;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** Of a token this server signed: it names a user, and the settings say what that user may now. */
export function callerOfUser(claims: Claims, users: ReadonlyMap<string, AuthUser>): Caller | CredentialFault {
  const { sub, role } = claims;
  if (typeof sub !== 'string' || !isRole(role)) return faults['bad-claims'];
  const user = users.get(sub);
  if (user === undefined) return faults['unknown-user'];
  return { id: `user:${user.name}`, role: lesserRole(role, user.role), models: user.models, limits: user.limits };
}

/** Of a foreign token: `sub`, the role by the issuer's rules, and `models` when there is such a claim. */
export function callerOfIssuer(claims: Claims, issuer: AuthIssuer): Caller | CredentialFault {
  const { sub, models } = claims;
  if (typeof sub !== 'string' || sub === '' || sub.length > maxSubject || controls.test(sub))
    return faults['bad-claims'];
  const scope = models === undefined ? undefined : patternsOf(models);
  if (models !== undefined && scope === undefined) return faults['bad-claims'];
  const { roleClaim } = issuer;
  const claimed = roleClaim === undefined ? issuer.role : highestRole(claimAt(claims, roleClaim));
  if (claimed === undefined) return faults['no-role'];
  return {
    id: `token:${issuer.issuer}/${sub}`,
    role: lesserRole(claimed, issuer.role),
    models: scope,
    limits: issuer.limits,
  };
}

/** `roles`, `https://example.com/roles`, or `realm_access.roles` through objects. */
function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Claims)[name];
  }
  return value;
}

/** Of a role, a list, or text with spaces between. Unknown ones are none of ours. */
function highestRole(value: unknown): (typeof roles)[number] | undefined {
  const named: readonly unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  return roles.findLast((role) => named.includes(role));
}

/** A scope that cannot be read must not become "all models". */
function patternsOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value) || value.length > 100) return undefined;
  return value.every((each) => typeof each === 'string' && each.length <= 256) ? value : undefined;
}
