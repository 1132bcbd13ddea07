/**
 * Who of all servers may compute a key now: SET NX with a token that only its owner knows. Part of the cache store; called by
 * core/cache. A lease that is not given back ends by itself.
 */
import type { LeaseStore } from '../../ports/cache-store.ts';
import type { Connections } from './connections.ts';
import { Script } from './script.ts';

/** Compared and deleted in one step: the lease may have ended, and be another's by now. */
const releaseScript = new Script(
  `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`,
);

export class RedisLeases implements LeaseStore {
  readonly #connections: Connections;
  readonly #prefix: string;
  readonly #owner: string;
  /** Tokens of the leases that are held, by key. */
  readonly #held = new Map<string, string>();
  #count = 0;

  /** @param owner names this process among all. */
  constructor(connections: Connections, prefix: string, owner: string) {
    this.#connections = connections;
    this.#prefix = `${prefix}lease:`;
    this.#owner = owner;
  }

  async acquire(key: string, ttlMs: number): Promise<boolean> {
    const token = `${this.#owner}:${++this.#count}`;
    const answer = await this.#connections.sendTogether((redis) =>
      redis.set(this.#prefix + key, token, 'PX', Math.ceil(ttlMs), 'NX'),
    );
    if (answer !== 'OK') return false;
    this.#held.set(key, token);
    return true;
  }

  async release(key: string): Promise<void> {
    const token = this.#held.get(key);
    if (token === undefined) return;
    this.#held.delete(key);
    await this.#connections.sendTogether((redis) => releaseScript.run(redis, [this.#prefix + key], [token]));
  }
}
