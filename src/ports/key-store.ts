/** API keys at rest, and the log of what administrators did. Both live in the database; core/access keeps a copy of the keys in memory. */
import type { CallerLimits, Role } from './access.ts';

export interface StoredKey {
  /** Public part of the key, 12 characters; names it in lists and logs. */
  readonly id: string;
  /** SHA-256 of the whole key. A key has 256 random bits, so a slow hash would protect nothing. */
  readonly hash: Uint8Array;
  /** For people: who or what uses it. */
  readonly name: string;
  readonly role: Role;
  /** Models it may ask, with `*` for any characters; undefined: all. */
  readonly models: readonly string[] | undefined;
  readonly limits: CallerLimits;
  /** Unix milliseconds. */
  readonly createdMs: number;
  readonly expiresMs: number | undefined;
  readonly revokedMs: number | undefined;
}

export interface KeyStore {
  /** All, revoked ones too, oldest first. */
  list(): Promise<readonly StoredKey[]>;
  /** Changes whenever a key was inserted or revoked; cheap, asked every few seconds. */
  revision(): Promise<string>;
  insert(key: StoredKey): Promise<void>;
  /** False when there is no such key, or it was revoked before. */
  revoke(id: string, nowMs: number): Promise<boolean>;
}

export interface AuditEntry {
  /** Unix milliseconds. */
  readonly createdMs: number;
  /** Id of the caller; `anonymous` or `cli`. */
  readonly caller: string;
  /** `model.load`, `cache.invalidate`, `key.create` ... */
  readonly action: string;
  /** What it was done to; '' for the server. */
  readonly target: string;
  /** `OK` or the error's code. */
  readonly outcome: string;
}

export interface AuditLog {
  append(entry: AuditEntry): Promise<void>;
  /** Newest first. */
  list(limit: number): Promise<readonly AuditEntry[]>;
}
