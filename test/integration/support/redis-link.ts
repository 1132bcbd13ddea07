/** Links to Redis for tests, with the real clock, and waiting for them. */
import { openRedis, type RedisLink, type RedisOptions } from '../../../src/adapters/redis/open-redis.ts';
import { systemClock } from '../../../src/adapters/system-clock.ts';
import type { Logger } from '../../../src/ports/logger.ts';
import { until } from './until.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export function linkTo(url: string, options: Partial<RedisOptions> = {}): RedisLink {
  return openRedis({ url, clock: systemClock, logger: silent, random: Math.random, ...options });
}

/** Every connection is there. */
export async function connected(link: RedisLink): Promise<RedisLink> {
  await until(() => link.pool.status().size === link.pool.status().maxSize);
  return link;
}
