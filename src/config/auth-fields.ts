/**
 * The settings authUsers and authIssuers as typed data. Called by load.ts for its problems and by the composition root for the values.
 * Collects every problem, each naming its field (`authUsers[0].role`); never prints a password hash.
 */
import type { CallerLimits, Role } from '../ports/access.ts';
import type { AuthIssuer, AuthUser, PasswordHash } from '../ports/access-config.ts';
import type { Config } from './schema.ts';

export type AuthSettings = Pick<Config, 'authUsers' | 'authIssuers' | 'authIssuer' | 'authAudience' | 'authTokenTtlMs'>;

export interface CheckedAuth {
  readonly users: readonly AuthUser[];
  readonly issuers: readonly AuthIssuer[];
  /** Sentences. With any, the lists lack what they are about. */
  readonly problems: readonly string[];
}

type Report = (field: string, expected: string) => undefined;
type Raw = Readonly<Record<string, unknown>>;

const roles: readonly unknown[] = ['predict', 'operate', 'admin'];
/** With public keys only: a shared secret would let whoever verifies also sign. */
export const issuerAlgorithms: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const userFields = ['name', 'password', 'role', 'models', 'limits'];
const issuerFields = ['issuer', 'audience', 'jwksUrl', 'algorithms', 'role', 'roleClaim', 'limits'];
const limitFields = ['requestsPerSecond', 'burst', 'requestsPerDay', 'concurrency'] as const;

export function checkAuth(settings: AuthSettings): CheckedAuth {
  const problems: string[] = [];
  const report: Report = (field, expected) => {
    problems.push(`${field} must be ${expected}.`);
  };
  const users = settings.authUsers.map((raw, index) => checkUser(raw, `authUsers[${index}]`, report));
  const issuers = settings.authIssuers.map((raw, index) => checkIssuer(raw, `authIssuers[${index}]`, report));
  const names = users.map((user) => user?.name);
  const own = users.length > 0 ? [settings.authIssuer] : [];
  const issuerNames = [...own, ...issuers.map((issuer) => issuer?.issuer)];
  reportTwice(names, (index) => report(`authUsers[${index}].name`, 'different for each user'));
  reportTwice(issuerNames, (index) =>
    report(`authIssuers[${index - own.length}].issuer`, 'different for each issuer and from authIssuer'),
  );
  if (users.length > 0) {
    if (settings.authIssuer === '') report('authIssuer', 'text, as there are authUsers');
    if (settings.authAudience === '') report('authAudience', 'text, as there are authUsers');
    if (settings.authTokenTtlMs < 1000) report('authTokenTtlMs', 'at least 1s');
  }
  const isDefined = <T>(value: T | undefined): value is T => value !== undefined;
  return { users: users.filter(isDefined), issuers: issuers.filter(isDefined), problems };
}

function checkUser(raw: unknown, field: string, report: Report): AuthUser | undefined {
  const user = objectOf(raw, field, userFields, report);
  if (user === undefined) return undefined;
  const name = isName(user.name) ? user.name : report(`${field}.name`, 'text of 1 to 256 characters');
  const password =
    parsePasswordHash(user.password) ?? report(`${field}.password`, 'a hash that `hotpath auth hash` printed');
  const role = roleOf(user.role, `${field}.role`, report);
  const models =
    user.models === undefined ? undefined : listOf(user.models, `${field}.models`, 'names or patterns', report);
  const limits = limitsOf(user.limits, `${field}.limits`, report);
  const isComplete = name !== undefined && password !== undefined && role !== undefined && limits !== undefined;
  return isComplete && (user.models === undefined || models !== undefined)
    ? { name, password, role, models, limits }
    : undefined;
}

function checkIssuer(raw: unknown, field: string, report: Report): AuthIssuer | undefined {
  const given = objectOf(raw, field, issuerFields, report);
  if (given === undefined) return undefined;
  const issuer = isName(given.issuer) ? given.issuer : report(`${field}.issuer`, 'text of 1 to 256 characters');
  const audiences = typeof given.audience === 'string' ? [given.audience] : given.audience;
  const audience = listOf(audiences, `${field}.audience`, 'audiences', report);
  const jwksUrl = isKeyUrl(given.jwksUrl)
    ? given.jwksUrl
    : report(`${field}.jwksUrl`, 'an https:// URL, or http:// on loopback');
  const algorithms = algorithmsOf(given.algorithms, `${field}.algorithms`, report);
  const role = given.role === undefined ? 'predict' : roleOf(given.role, `${field}.role`, report);
  const { roleClaim } = given;
  const isClaim = roleClaim === undefined || isName(roleClaim);
  if (!isClaim) report(`${field}.roleClaim`, 'the name of a claim');
  const limits = limitsOf(given.limits, `${field}.limits`, report);
  const isComplete = issuer !== undefined && audience !== undefined && jwksUrl !== undefined && isClaim;
  return isComplete && algorithms !== undefined && role !== undefined && limits !== undefined
    ? { issuer, audience, jwksUrl, algorithms, role, roleClaim, limits }
    : undefined;
}

/** `scrypt$N=16384,r=8,p=5$<salt>$<hash>`; undefined for anything else, also for what would take too little or too much work. */
export function parsePasswordHash(value: unknown): PasswordHash | undefined {
  const form = /^scrypt\$N=(\d{1,8}),r=(\d{1,3}),p=(\d{1,3})\$([\w-]{11,86})\$([\w-]{22,86})$/;
  const match = typeof value === 'string' ? form.exec(value) : null;
  if (match === null) return undefined;
  const [cost, blockSize, parallel] = match.slice(1, 4).map(Number) as [number, number, number];
  const isPower = cost >= 1024 && (cost & (cost - 1)) === 0;
  // At most 256 MiB and 32 times the work of the default.
  if (!isPower || blockSize < 1 || parallel < 1) return undefined;
  if (cost * blockSize * 128 > 2 ** 28 || cost * blockSize * parallel > 16_384 * 8 * 5 * 32) return undefined;
  const [salt, hash] = match.slice(4).map((text) => new Uint8Array(Buffer.from(text, 'base64url'))) as [
    Uint8Array,
    Uint8Array,
  ];
  return { cost, blockSize, parallel, salt, hash };
}

function objectOf(value: unknown, field: string, known: readonly string[], report: Report): Raw | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return report(field, 'an object');
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) report(`${field}.${name}`, `left out; known are ${known.join(', ')}`);
  }
  return value as Raw;
}

function isName(value: unknown): value is string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
  return typeof value === 'string' && value !== '' && value.length <= 256 && !/[\u0000-\u001f\u007f]/.test(value);
}

function roleOf(value: unknown, field: string, report: Report): Role | undefined {
  return roles.includes(value) ? (value as Role) : report(field, 'one of predict, operate, admin');
}

function listOf(value: unknown, field: string, what: string, report: Report): readonly string[] | undefined {
  const isList = Array.isArray(value) && value.length > 0 && value.every(isName);
  return isList ? value : report(field, `a list of ${what}`);
}

function algorithmsOf(value: unknown, field: string, report: Report): readonly string[] | undefined {
  if (value === undefined) return ['RS256'];
  const isList = Array.isArray(value) && value.length > 0 && value.every((each) => issuerAlgorithms.includes(each));
  return isList ? value : report(field, `a list of ${issuerAlgorithms.join(', ')}`);
}

function limitsOf(value: unknown, field: string, report: Report): CallerLimits | undefined {
  if (value === undefined) return {};
  const limits = objectOf(value, field, limitFields, report);
  if (limits === undefined) return undefined;
  for (const name of limitFields) {
    const limit = limits[name];
    const isRate = name === 'requestsPerSecond';
    const isRight =
      typeof limit === 'number' && limit >= (isRate ? 0.001 : 1) && (isRate || Number.isSafeInteger(limit));
    if (limit !== undefined && !(isRight && Number.isFinite(limit))) {
      return report(`${field}.${name}`, isRate ? 'a number from 0.001' : 'a whole number from 1');
    }
  }
  return limits as CallerLimits;
}

function isKeyUrl(value: unknown): value is string {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url === null || url.username !== '' || url.password !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function reportTwice(names: readonly (string | undefined)[], report: (index: number) => void): void {
  for (const [index, name] of names.entries()) {
    if (name !== undefined && names.indexOf(name) !== index) report(index);
  }
}
