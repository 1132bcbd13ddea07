/**
 * API keys made, listed and revoked at run time: what the admin routes and `hotpath keys` do. The key ring hears of it at once; other
 * processes within two seconds. Audit entries are the caller's business.
 */
import type { KeyStore, StoredKey } from '../../ports/key-store.ts';
import { HotpathError } from '../errors.ts';
import { type CreatedKey, createKey, type DescribedKey, describeKey, type KeyCrypto } from './api-key.ts';
import { parseKeyInput } from './key-input.ts';

export interface KeyAdminDeps {
  readonly store: KeyStore;
  readonly crypto: KeyCrypto;
  readonly unixMs: () => number;
  /** After a change. @default nothing */
  readonly changed?: () => Promise<void>;
}

export interface KeyAdmin {
  /**
   * @param body see parseKeyInput.
   * @throws INVALID_INPUT naming the field.
   */
  create(body: unknown): Promise<CreatedKey>;
  /** Revoked ones too, oldest first. */
  list(): Promise<readonly DescribedKey[]>;
  /** @throws NOT_FOUND when there is no such key, or it was revoked before. */
  revoke(id: string): Promise<void>;
  describe(stored: StoredKey): DescribedKey;
}

export function createKeyAdmin({ store, crypto, unixMs, changed = async () => {} }: KeyAdminDeps): KeyAdmin {
  return {
    async create(body) {
      const nowMs = unixMs();
      const created = createKey(parseKeyInput(body, nowMs), nowMs, crypto);
      await store.insert(created.stored);
      await changed();
      return created;
    },
    async list() {
      return (await store.list()).map((stored) => describeKey(stored, unixMs()));
    },
    async revoke(id) {
      const revoked = await store.revoke(id, unixMs());
      if (!revoked) throw new HotpathError('NOT_FOUND', 'There is no active API key with this id.');
      await changed();
    },
    describe: (stored) => describeKey(stored, unixMs()),
  };
}
