/**
 * Puts together who may ask: key ring, tokens, login and guard, from the settings. Called by the server when `auth` is on; owns
 * everything it makes and ends it with `close`.
 */
import { fingerprint, keyCrypto, matchesDigest } from './adapters/auth/digest.ts';
import { IssuerKeys } from './adapters/auth/issuer-keys.ts';
import { isExposed } from './adapters/auth/key-file.ts';
import { type OwnKeys, openOwnKeys } from './adapters/auth/own-keys.ts';
import { decoyHash, verifyPassword } from './adapters/auth/password.ts';
import { createTokenCheck } from './adapters/auth/token-check.ts';
import { checkAuth } from './config/auth-fields.ts';
import type { Config } from './config/schema.ts';
import { createAccessGuard, type Guard } from './core/access/guard.ts';
import { createKeyAdmin, type KeyAdmin } from './core/access/key-admin.ts';
import { KeyRing } from './core/access/key-ring.ts';
import { createLogin, type IssueToken } from './core/access/login.ts';
import { RefusalCounter } from './core/access/refusal.ts';
import { TokenMemory } from './core/access/token-memory.ts';
import type { CallerLimits } from './ports/access.ts';
import type { AuthUser } from './ports/access-config.ts';
import type { Clock } from './ports/clock.ts';
import type { KeyStore } from './ports/key-store.ts';
import type { Logger } from './ports/logger.ts';
import type { SharedLimits } from './ports/shared-limits.ts';

export type AccessConfig = Pick<
  Config,
  | 'authUsers'
  | 'authIssuers'
  | 'authIssuer'
  | 'authAudience'
  | 'authTokenTtlMs'
  | 'authKeyFile'
  | 'rateLimit'
  | 'rateBurst'
  | 'quotaPerDay'
>;

export interface AccessDeps {
  readonly keys: KeyStore;
  /** Undefined: limits count in this process. */
  readonly shared: SharedLimits | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default Date.now */
  readonly unixMs?: () => number;
}

export interface Access {
  readonly guard: Guard;
  readonly keyAdmin: KeyAdmin;
  /** POST /token; undefined without users. */
  readonly issueToken: IssueToken | undefined;
  /** GET /.well-known/jwks.json; undefined without users. */
  readonly jwks: OwnKeys['jwks'] | undefined;
  /** Stops looking for changes and tells shared counters the rest. Never rejects. */
  close(): Promise<void>;
}

/** @throws KeyFileError, or the file system's errors, when the file of token keys cannot be made or read. */
export async function openAccess(config: AccessConfig, deps: AccessDeps): Promise<Access> {
  const { clock, logger, shared, unixMs = Date.now } = deps;
  const { users: userList, issuers: issuerRules } = checkAuth(config);
  const users = new Map(userList.map((user) => [user.name, user]));
  const own = users.size === 0 ? undefined : await openTokenKeys(config, logger, unixMs);
  const issuers = issuerRules.map((rules) => ({ rules, keys: new IssuerKeys(rules, { clock, logger }) }));
  for (const { keys } of issuers) void keys.fetch();

  async function openTokens(): Promise<TokenMemory | undefined> {
    if (own === undefined && issuers.length === 0) return undefined;
    const { authIssuer: issuer, authAudience: audience } = config;
    const check = await createTokenCheck({ own: own && { issuer, audience, keys: own, users }, issuers, unixMs });
    return new TokenMemory({ check, fingerprint, unixMs });
  }

  const ring = new KeyRing({ store: deps.keys, clock, unixMs, logger, matchesDigest });
  await ring.start();
  const tokens = await openTokens();
  if (ring.size === 0 && tokens === undefined) {
    logger.warn(
      {},
      'Nobody can ask this server: there is no API key, no user and no issuer. See `hotpath keys create`.',
    );
  }
  const refused = new RefusalCounter(logger);
  const defaults = defaultLimits(config);
  const guard = createAccessGuard({ clock, unixMs, logger, refused, keys: ring, tokens, defaults, shared });

  return {
    guard,
    keyAdmin: createKeyAdmin({ store: deps.keys, crypto: keyCrypto, unixMs, changed: () => ring.refresh() }),
    issueToken: own && openLogin(config, own, users, clock, refused),
    jwks: own?.jwks,
    async close() {
      await ring.close();
      for (const { keys } of issuers) keys.close();
      await guard.close();
    },
  };
}

async function openTokenKeys(config: AccessConfig, logger: Logger, unixMs: () => number): Promise<OwnKeys> {
  const { authKeyFile: path, authIssuer: issuer, authAudience: audience, authTokenTtlMs: ttlMs } = config;
  const keys = await openOwnKeys({ path, issuer, audience, ttlMs, unixMs });
  if (await isExposed(path)) {
    logger.warn(
      { authKeyFile: path },
      'Others than its owner may read the file of token keys; its mode should be 0600.',
    );
  }
  return keys;
}

function openLogin(
  { authTokenTtlMs: ttlMs }: AccessConfig,
  { sign }: OwnKeys,
  users: ReadonlyMap<string, AuthUser>,
  clock: Clock,
  refused: RefusalCounter,
): IssueToken {
  const decoy = decoyHash(users.values().next().value?.password);
  return createLogin({ users, verifyPassword, sign, ttlMs, clock, refused, decoy });
}

/** 0 in the settings: no limit. */
function defaultLimits({ rateLimit, rateBurst, quotaPerDay }: AccessConfig): CallerLimits {
  return {
    requestsPerSecond: rateLimit || undefined,
    burst: rateBurst || undefined,
    requestsPerDay: quotaPerDay || undefined,
  };
}
