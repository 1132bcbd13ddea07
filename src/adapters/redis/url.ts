/**
 * Takes a redis:// or rediss:// URL apart. What it returns as `address` is all that logs, errors and status may show: no
 * credentials. Called by open-redis.ts once.
 */
import { isIP } from 'node:net';
import type { RedisOptions } from 'ioredis';
import { HotpathError } from '../../core/errors.ts';

export interface RedisTarget {
  /** `10.0.0.5:6379/0`: host, port, number of the database. */
  readonly address: string;
  readonly options: RedisOptions;
}

/** @throws INVALID_INPUT without the URL in it, since that may hold a password. */
export function parseRedisUrl(text: string): RedisTarget {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '') {
    throw invalidUrl('must look like redis://user:password@host:6379/0 or rediss://host');
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? 6379 : Number(url.port);
  const db = databaseOf(url.pathname);
  return {
    address: `${url.hostname}:${port}/${db}`,
    options: {
      host,
      port,
      db,
      ...(url.username === '' ? {} : { username: decode(url.username) }),
      ...(url.password === '' ? {} : { password: decode(url.password) }),
      // A name for SNI; addresses have none.
      ...(url.protocol === 'rediss:' ? { tls: isIP(host) === 0 ? { servername: host } : {} } : {}),
    },
  };
}

function databaseOf(pathname: string): number {
  const match = /^\/?(\d{0,4})$/.exec(pathname);
  if (match === null) throw invalidUrl('must name its database by number, such as redis://host/0');
  return Number(match[1]);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalidUrl('has a user or password that is not percent-encoded');
  }
}

function invalidUrl(problem: string): HotpathError {
  return new HotpathError('INVALID_INPUT', `The URL of Redis ${problem}.`, { field: 'redisUrl' });
}
