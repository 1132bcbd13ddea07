/**
 * API keys: `hp_<id>_<secret>`, 12 and 43 characters. The id is public and finds the stored hash; the secret has 256 random bits.
 * Made by the CLI and the admin API, which show a key once; only its SHA-256 is stored. Randomness and hash come in.
 */
import type { CallerLimits, Role } from '../../ports/access.ts';
import type { StoredKey } from '../../ports/key-store.ts';

export interface KeyCrypto {
  randomBytes(count: number): Uint8Array;
  sha256(text: string): Uint8Array;
}

export interface KeyInput {
  readonly name: string;
  readonly role: Role;
  readonly models?: readonly string[] | undefined;
  readonly limits?: CallerLimits | undefined;
  /** Unix milliseconds. */
  readonly expiresMs?: number | undefined;
}

export interface CreatedKey {
  readonly stored: StoredKey;
  /** The whole key. It is nowhere else. */
  readonly key: string;
}

/** What may be shown of a key. Times are ISO 8601. */
export interface DescribedKey {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly models?: readonly string[];
  readonly limits?: CallerLimits;
  readonly state: 'active' | 'expired' | 'revoked';
  readonly created: string;
  readonly expires?: string;
  readonly revoked?: string;
}

const prefix = 'hp_';
const idLength = 12;
const secretBytes = 32;
const separatorAt = prefix.length + idLength;
export const keyLength = separatorAt + 1 + 43;
// 32 characters, so that a random byte has no bias; no i, l, o, u, which are misread. An id never looks like a flag.
const idAlphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Whether a bearer token is meant as an API key. */
export function looksLikeKey(text: string): boolean {
  return text.startsWith(prefix);
}

/** The id of a well-formed key; undefined for anything else. Says nothing about whether there is such a key. */
export function keyId(key: string): string | undefined {
  if (key.length !== keyLength || !looksLikeKey(key) || key[separatorAt] !== '_') return undefined;
  return key.slice(prefix.length, separatorAt);
}

export function createKey(input: KeyInput, nowMs: number, crypto: KeyCrypto): CreatedKey {
  const id = Array.from(crypto.randomBytes(idLength), (byte) => idAlphabet[byte & 31]!).join('');
  const key = `${prefix}${id}_${encode(crypto.randomBytes(secretBytes))}`;
  const { name, role, models, limits = {}, expiresMs } = input;
  const hash = crypto.sha256(key);
  return { key, stored: { id, hash, name, role, models, limits, createdMs: nowMs, expiresMs, revokedMs: undefined } };
}

export function describeKey(stored: StoredKey, nowMs: number): DescribedKey {
  const { id, name, role, models, limits, createdMs, expiresMs, revokedMs } = stored;
  return {
    id,
    name,
    role,
    ...(models === undefined ? {} : { models }),
    ...(Object.values(limits).some((limit) => limit !== undefined) ? { limits } : {}),
    state: stateOf(stored, nowMs),
    created: new Date(createdMs).toISOString(),
    ...(expiresMs === undefined ? {} : { expires: new Date(expiresMs).toISOString() }),
    ...(revokedMs === undefined ? {} : { revoked: new Date(revokedMs).toISOString() }),
  };
}

function stateOf({ expiresMs, revokedMs }: StoredKey, nowMs: number): DescribedKey['state'] {
  if (revokedMs !== undefined) return 'revoked';
  return expiresMs !== undefined && expiresMs <= nowMs ? 'expired' : 'active';
}

function encode(bytes: Uint8Array): string {
  let text = '';
  for (let bit = 0; bit < bytes.length * 8; bit += 6) {
    const index = bit >> 3;
    const pair = (bytes[index]! << 8) | (bytes[index + 1] ?? 0);
    text += base64url[(pair >> (10 - (bit & 7))) & 63];
  }
  return text;
}
