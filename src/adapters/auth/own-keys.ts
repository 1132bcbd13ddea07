/**
 * The keys of this server: sign and verify own tokens, and publish the public halves. Another process may rotate the file at any time:
 * it is looked at before each signature and each verification.
 */
import { stat } from 'node:fs/promises';
import type { CryptoKey } from 'jose';
import { openKeyFile, type SigningKey } from './key-file.ts';
import { importKeys, selectKey, type VerificationKey } from './verification-keys.ts';

export interface OwnKeysOptions {
  readonly path: string;
  readonly issuer: string;
  readonly audience: string;
  readonly ttlMs: number;
  readonly unixMs: () => number;
}

export interface OwnKeys {
  sign(claims: { readonly sub: string; readonly role: string }): Promise<string>;
  find(kid: string | undefined, alg: string): Promise<CryptoKey | undefined>;
  /** The answer of /.well-known/jwks.json. */
  jwks(): Promise<{ readonly keys: readonly Readonly<Record<string, unknown>>[] }>;
}

export const ownAlgorithms: readonly string[] = ['EdDSA', 'ES256'];

interface Loaded {
  /** Changes whenever the file is replaced. */
  readonly stamp: string;
  readonly keys: readonly SigningKey[];
  readonly imported: readonly VerificationKey[];
}

/** @throws KeyFileError, or the file system's errors, when the file cannot be made or read. */
export async function openOwnKeys({ path, issuer, audience, ttlMs, unixMs }: OwnKeysOptions): Promise<OwnKeys> {
  let loaded = await load(path, unixMs());

  async function current(): Promise<Loaded> {
    const stamp = await stampOf(path).catch(() => undefined);
    // The file may be gone for a moment, or broken by hand: the keys known so far go on.
    if (stamp !== undefined && stamp !== loaded.stamp) loaded = await load(path, unixMs()).catch(() => loaded);
    return loaded;
  }

  const valid = (kid: string | undefined): boolean => {
    const until = loaded.keys.find((key) => key.kid === kid)?.verifyUntilMs;
    return until === undefined || unixMs() < until;
  };

  return {
    async sign({ sub, role }) {
      const { keys } = await current();
      const { importJWK, SignJWT } = await import('jose');
      const { kid, alg, jwk } = keys.at(-1)!;
      const seconds = Math.floor(unixMs() / 1000);
      return new SignJWT({ role })
        .setProtectedHeader({ alg, kid, typ: 'JWT' })
        .setSubject(sub)
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt(seconds)
        .setExpirationTime(seconds + Math.max(1, Math.floor(ttlMs / 1000)))
        .sign(await importJWK(jwk, alg));
    },
    async find(kid, alg) {
      // Own tokens always name their key.
      if (kid === undefined) return undefined;
      // Looked at each time: a key taken out of the file by hand must not go on. Tokens are remembered, so this is rare.
      const key = selectKey((await current()).imported, kid, alg);
      return valid(kid) ? key : undefined;
    },
    async jwks() {
      const { keys } = await current();
      const isNeeded = ({ verifyUntilMs }: SigningKey) => verifyUntilMs === undefined || unixMs() < verifyUntilMs;
      return { keys: keys.filter(isNeeded).map(publicPart) };
    },
  };
}

async function load(path: string, nowMs: number): Promise<Loaded> {
  const { keys } = await openKeyFile(path, nowMs);
  // After reading: at worst an older stamp is kept and the file read once more.
  const stamp = await stampOf(path);
  return { stamp, keys, imported: await importKeys(keys.map(publicPart), ownAlgorithms) };
}

async function stampOf(path: string): Promise<string> {
  const { ino, mtimeMs, size } = await stat(path);
  return `${ino} ${mtimeMs} ${size}`;
}

function publicPart({ kid, alg, jwk }: SigningKey): Readonly<Record<string, unknown>> {
  const { kty, crv, x, y } = jwk;
  return { kid, alg, use: 'sig', kty, crv, x, ...(y === undefined ? {} : { y }) };
}
