/** What a request's `Cache-Control` says to the response cache, after RFC 9111; the same words over REST and gRPC. */
import type { CacheDirective } from '../core/types.ts';

/** `no-store` wins over `no-cache`; `max-age=0` and `Pragma` are not looked at, proxies send them without being asked. */
export function cacheDirectiveOf(cacheControl: string | undefined): CacheDirective | undefined {
  if (cacheControl === undefined) return undefined;
  const words = cacheControl.toLowerCase().split(',');
  if (words.some((word) => word.trim() === 'no-store')) return 'no-store';
  return words.some((word) => /^\s*no-cache\s*(?:=|$)/.test(word)) ? 'no-cache' : undefined;
}
