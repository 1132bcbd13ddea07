/**
 * The cache tier that several servers share. Made by open-redis.ts, called by core/cache, which bounds every wait. One round trip
 * per read or write. Entries lie under `<prefix>c:<key>`, apart from all else, so that dropping them drops nothing else.
 */
import type { CacheEntry, CacheStore, LeaseStore, StoredValue } from '../../ports/cache-store.ts';
import type { Clock } from '../../ports/clock.ts';
import { BatchedReader } from './batched-reader.ts';
import { CallGate } from './call-gate.ts';
import type { Connections } from './connections.ts';
import { closed } from './errors.ts';
import { decodeValue, encodeValue } from './value-codec.ts';

export interface RedisCacheOptions {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly prefix: string;
  /** Larger values are not stored, nor believed. */
  readonly maxValueBytes: number;
  readonly leases: LeaseStore;
}

/** Keys that one SCAN looks at: some 0.2 ms of Redis' time. */
const scanCount = 1000;

export class RedisCacheStore implements CacheStore {
  readonly tier = 'redis';
  readonly leases: LeaseStore;
  readonly #options: RedisCacheOptions;
  readonly #prefix: string;
  readonly #reader: BatchedReader<Buffer | null>;
  readonly #gate = new CallGate();

  constructor(options: RedisCacheOptions) {
    this.#options = options;
    this.#prefix = `${options.prefix}c:`;
    this.leases = options.leases;
    this.#reader = new BatchedReader(options.clock, (keys) => this.#readMany(keys));
  }

  getMany(keys: readonly string[]): Promise<readonly (StoredValue | undefined)[]> {
    return this.#gate.run(async () => (keys.length === 0 ? [] : this.#decodeMany(await this.#reader.read(keys))));
  }

  setMany(entries: readonly CacheEntry[]): Promise<void> {
    return this.#gate.run(() => this.#write(entries));
  }

  deletePrefix(prefix: string): Promise<number> {
    return this.#gate.run(() => this.#deleteMatching(`${escapePattern(this.#prefix + prefix)}*`));
  }

  close(): Promise<void> {
    return this.#gate.close();
  }

  #readMany(keys: readonly string[]): Promise<readonly (Buffer | null)[]> {
    const names = keys.map((key) => this.#prefix + key);
    return this.#options.connections.send((redis) => redis.mgetBuffer(names));
  }

  #decodeMany(
    stored: readonly (Buffer | null)[],
  ): readonly (StoredValue | undefined)[] | Promise<readonly (StoredValue | undefined)[]> {
    const { connections, maxValueBytes } = this.#options;
    const nowMs = connections.serverNowMs();
    let waits = false;
    const values = stored.map((each) => {
      if (each === null) return undefined;
      const value = decodeValue(each, nowMs, maxValueBytes);
      waits ||= value instanceof Promise;
      return value;
    });
    return waits ? Promise.all(values) : (values as readonly (StoredValue | undefined)[]);
  }

  async #write(entries: readonly CacheEntry[]): Promise<void> {
    const { connections, maxValueBytes } = this.#options;
    const fitting = entries.filter(({ value }) => value.byteLength <= maxValueBytes);
    if (fitting.length === 0) return;
    const nowMs = connections.serverNowMs();
    const packed = await Promise.all(fitting.map(({ value, ttlMs }) => encodeValue(value, nowMs + ttlMs)));
    await connections.sendTogether((redis) =>
      Promise.all(
        fitting.map(({ key, ttlMs }, index) => redis.set(this.#prefix + key, packed[index]!, 'PX', Math.ceil(ttlMs))),
      ),
    );
  }

  /** Page by page, so that Redis answers others between. Ends early when the store is closed. */
  async #deleteMatching(pattern: string): Promise<number> {
    const { connections } = this.#options;
    let cursor = '0';
    let deleted = 0;
    do {
      if (this.#gate.closed) throw closed();
      const [next, keys] = await connections.send((redis) => redis.scan(cursor, 'MATCH', pattern, 'COUNT', scanCount));
      if (keys.length > 0) deleted += await connections.send((redis) => redis.unlink(...keys));
      cursor = next;
    } while (cursor !== '0');
    return deleted;
  }
}

/** The text itself, for Redis' patterns. */
export function escapePattern(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}
