/**
 * `/v2/models/{model}[/versions/{version}]/infer` without a router, for a server that wants to know at the first line of a request
 * where it goes. Called per request; plain string searches, and decoding only where something is encoded.
 */
import type { OipTarget } from './read-json-request.ts';

const prefix = '/v2/models/';
const suffix = '/infer';
const between = '/versions/';

/** Undefined for every other URL, for one with a query, and for names that are badly encoded: the router deals with those. */
export function inferTarget(url: string): OipTarget | undefined {
  if (!url.startsWith(prefix) || !url.endsWith(suffix)) return undefined;
  const rest = url.slice(prefix.length, -suffix.length);
  const slash = rest.indexOf('/');
  if (slash < 0) return targetOf(rest, undefined);
  if (!rest.startsWith(between, slash)) return undefined;
  const version = rest.slice(slash + between.length);
  return version === '' ? undefined : targetOf(rest.slice(0, slash), version);
}

function targetOf(model: string, version: string | undefined): OipTarget | undefined {
  if (model === '' || model.includes('?') || version?.includes('?') || version?.includes('/')) return undefined;
  if (!model.includes('%') && !version?.includes('%')) return { model, version };
  try {
    return {
      model: decodeURIComponent(model),
      version: version === undefined ? undefined : decodeURIComponent(version),
    };
  } catch {
    return undefined;
  }
}
