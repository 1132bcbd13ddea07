/**
 * The server's database, opened when something first needs it and migrated then. Part of the composition root. What uses it for its
 * own sake (prediction log, API keys) opens it at the start; a cache tier or a source of features with the first model that has one.
 */
import { existsSync } from 'node:fs';
import type { DatabaseOptions } from './adapters/sql/database-options.ts';
import type { CacheEntry, CacheStore } from './ports/cache-store.ts';
import type { Database } from './ports/database.ts';
import { openDatabase } from './server-database.ts';

export class LazyDatabase {
  readonly #options: DatabaseOptions;
  readonly #migrate: boolean;
  #opening: Promise<Database> | undefined;
  #database: Database | undefined;
  #closed = false;

  constructor(options: DatabaseOptions, migrate: boolean) {
    this.#options = options;
    this.#migrate = migrate;
  }

  /** Undefined before the first use. */
  get current(): Database | undefined {
    return this.#database;
  }

  /** @throws what opening and migrating throw; the next call tries again. */
  open(): Promise<Database> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /** Its cache tier, before it is open: the first look opens it. */
  cacheTier(): CacheStore {
    const store = async (): Promise<CacheStore> => (this.#database ?? (await this.open())).cache;
    return {
      tier: 'database',
      getMany: async (keys: readonly string[]) => (await store()).getMany(keys),
      setMany: async (entries: readonly CacheEntry[]) => (await store()).setMany(entries),
      // A database that was never made holds nothing, and is not made for that.
      deletePrefix: async (prefix: string) => (this.#isAbsent() ? 0 : (await store()).deletePrefix(prefix)),
      close: async () => {},
    };
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const database = await this.#opening?.catch(() => undefined);
    await database?.close();
  }

  #isAbsent(): boolean {
    const { url } = this.#options;
    return this.#opening === undefined && url.startsWith('sqlite:') && !existsSync(url.slice('sqlite:'.length));
  }

  async #open(): Promise<Database> {
    const { logger } = this.#options;
    if (this.#closed) throw new Error('The database was closed.');
    const database = await openDatabase(this.#options);
    try {
      const applied = this.#migrate ? await database.migrate() : [];
      if (applied.length > 0) logger.info({ applied }, 'database migrated');
    } catch (error) {
      await database.close();
      throw error;
    }
    this.#database = database;
    return database;
  }
}
