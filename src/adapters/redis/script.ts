/** A Lua script that Redis runs as one step. Sent by its digest; in full when Redis does not know it, as after a restart. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

export class Script {
  readonly #source: string;
  readonly #digest: string;

  constructor(source: string) {
    this.#source = source;
    this.#digest = createHash('sha1').update(source).digest('hex');
  }

  /** @returns what the script returns, by Redis' rules: whole numbers, text, null for false, lists. */
  async run(redis: Redis, keys: readonly string[], values: readonly (string | number)[] = []): Promise<unknown> {
    try {
      return await redis.evalsha(this.#digest, keys.length, ...keys, ...values);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return redis.eval(this.#source, keys.length, ...keys, ...values);
    }
  }
}
