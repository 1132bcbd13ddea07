/**
 * Keeps web pages away from the admin listener. It has no authentication and lives on loopback, where any page in a browser
 * on this machine could reach it: by a form or fetch (Origin header), or by a name that resolves to 127.0.0.1 (Host header).
 * Called before every admin route.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { HotpathError } from '../../core/errors.ts';

/** Why the request is refused, or undefined. A Host that is an address cannot be rebound, so those always pass. */
export function refuseForeignPage(headers: IncomingHttpHeaders, adminHost: string): HotpathError | undefined {
  const host = hostName(headers.host ?? '');
  if (host !== 'localhost' && host !== adminHost.toLowerCase() && isIP(host) === 0) {
    return refused('Host', 'the address or name the admin listener is bound to');
  }
  const { origin } = headers;
  if (origin !== undefined && !isOwnOrigin(origin, headers.host ?? '')) {
    return refused('Origin', 'no Origin, or the admin listener’s own');
  }
  return undefined;
}

/** `[::1]:8002` -> `::1`, `localhost:8002` -> `localhost`. */
function hostName(host: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(host);
  return (bracketed?.[1] ?? host.replace(/:\d+$/, '')).toLowerCase();
}

function isOwnOrigin(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}

function refused(field: string, expected: string): HotpathError {
  return new HotpathError('INVALID_INPUT', `${field}: the admin listener answers no web pages of other sites.`, {
    field,
    expected,
  });
}
