/**
 * Limits counted over all servers. Made by open-redis.ts, called when a caller's request arrives, by whoever goes on alone when it
 * fails. Time is Redis' own, so that servers whose clocks differ share one bucket.
 */
import type { BucketRule, SharedLimits, Taken } from '../../ports/shared-limits.ts';
import type { Connections } from './connections.ts';
import { Script } from './script.ts';

const dayMs = 86_400_000;

/**
 * A bucket is the text `<tokens> <Unix milliseconds>`; one that is absent, unreadable or idle until full is a full one. A clock
 * that was set back gives no tokens for the time it repeats.
 */
const takeScript = new Script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local perMs, burst, wanted = ARGV[1] / 1000, tonumber(ARGV[2]), tonumber(ARGV[3])
local tokens, at = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%S+)$')
tokens, at = tonumber(tokens), tonumber(at)
if not tokens or not at then tokens, at = burst, now end
tokens = math.min(burst, tokens + math.max(0, now - at) * perMs)
local granted = math.max(0, math.min(wanted, math.floor(tokens)))
tokens = tokens - granted
local longest = ${365 * dayMs}
local untilFull = math.min(longest, math.ceil((burst - tokens) / perMs) + 1000)
redis.call('SET', KEYS[1], string.format('%.17g %.17g', tokens, now), 'PX', string.format('%.0f', untilFull))
local retryAfter = 0
if tokens < 1 then retryAfter = math.min(longest, math.ceil((1 - tokens) / perMs)) end
return {granted, math.floor(tokens), retryAfter}
`);

export class RedisSharedLimits implements SharedLimits {
  readonly #connections: Connections;
  readonly #prefix: string;

  constructor(connections: Connections, prefix: string) {
    this.#connections = connections;
    this.#prefix = prefix;
  }

  async take(bucket: string, wanted: number, { ratePerSecond, burst }: BucketRule): Promise<Taken> {
    const key = `${this.#prefix}bucket:${bucket}`;
    const answer = await this.#connections.sendTogether((redis) =>
      takeScript.run(redis, [key], [ratePerSecond, burst, wanted]),
    );
    const [granted, remaining, retryAfterMs] = answer as [number, number, number];
    return { granted, remaining, retryAfterMs };
  }

  addToDay(counter: string, day: number, count: number): Promise<number> {
    const key = `${this.#prefix}day:${day}:${counter}`;
    return this.#connections.sendTogether(async (redis) => {
      // In one write: no counter stays without its end.
      const [value] = await Promise.all([redis.incrby(key, count), redis.pexpireat(key, (day + 2) * dayMs)]);
      return value;
    });
  }
}
