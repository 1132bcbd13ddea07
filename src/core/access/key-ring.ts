/**
 * The API keys of the database in memory, so that checking one waits for nothing. Refreshed when the store's revision changes, looked at
 * every two seconds; while the store is away the last known keys go on. Made by the composition root, asked by the guard.
 */
import type { Caller } from '../../ports/access.ts';
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import type { KeyStore, StoredKey } from '../../ports/key-store.ts';
import type { Logger } from '../../ports/logger.ts';
import { keyId } from './api-key.ts';
import { type CredentialFault, faults } from './refusal.ts';

export interface KeyRingDeps {
  readonly store: Pick<KeyStore, 'list' | 'revision'>;
  readonly clock: Clock;
  readonly unixMs: () => number;
  readonly logger: Logger;
  /** Whether SHA-256 of the text is this digest, in constant time. */
  readonly matchesDigest: (text: string, digest: Uint8Array) => boolean;
  /** @default 2000 */
  readonly pollMs?: number;
}

interface RingEntry {
  readonly stored: StoredKey;
  readonly caller: Caller;
}

/** Compared with when there is no such key, so that an unknown id costs what a known one does. */
const noDigest = new Uint8Array(32);

export class KeyRing {
  readonly #deps: KeyRingDeps;
  #entries: ReadonlyMap<string, RingEntry> = new Map();
  #revision: string | undefined;
  /** The refresh in progress or the last one; the next waits for it, so that an older list never replaces a newer. */
  #last: Promise<void> = Promise.resolve();
  #timer: TimerHandle | undefined;
  #isAway = false;
  #closed = false;

  constructor(deps: KeyRingDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Reads the keys and goes on looking. Resolves also when the store is away; then there are no keys until it is back. */
  async start(): Promise<void> {
    await this.refresh();
    this.#schedule();
  }

  /** Reads the keys now; after a key was made or revoked. Never rejects. */
  refresh(): Promise<void> {
    this.#last = this.#last.then(() => this.#read(true));
    return this.#last;
  }

  /** Stops looking. Resolves when the store is no longer asked anything. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== undefined) this.#deps.clock.clear(this.#timer);
    return this.#last;
  }

  find(key: string): Caller | CredentialFault {
    const id = keyId(key);
    if (id === undefined) return faults.malformed;
    const entry = this.#entries.get(id);
    const matches = this.#deps.matchesDigest(key, entry === undefined ? noDigest : entry.stored.hash);
    if (entry === undefined) return faults['unknown-key'];
    if (!matches) return faults['wrong-key'];
    const { revokedMs, expiresMs } = entry.stored;
    if (revokedMs !== undefined) return faults['revoked-key'];
    return expiresMs !== undefined && expiresMs <= this.#deps.unixMs() ? faults['expired-key'] : entry.caller;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#deps.clock.after(this.#deps.pollMs ?? 2000, () => {
      this.#last = this.#last.then(() => this.#read(false));
      void this.#last.then(() => this.#schedule());
    });
  }

  async #read(always: boolean): Promise<void> {
    const { store, logger } = this.#deps;
    try {
      // Before the list: a change between the two is seen the next time.
      const revision = await store.revision();
      if (!always && revision === this.#revision) return;
      this.#entries = new Map((await store.list()).map((stored) => [stored.id, { stored, caller: callerOf(stored) }]));
      this.#revision = revision;
      if (this.#isAway) logger.info({ keys: this.size }, 'The database of API keys is back.');
      this.#isAway = false;
    } catch (error) {
      // Also a later look must read the list then: the revision may have been read before it failed.
      this.#revision = undefined;
      if (!this.#isAway) logger.warn({ error }, 'The database of API keys is away; the keys known so far go on.');
      this.#isAway = true;
    }
  }
}

function callerOf({ id, role, models, limits }: StoredKey): Caller {
  return { id: `key:${id}`, role, models, limits };
}
