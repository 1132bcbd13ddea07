/**
 * Features from an HTTP service: a path per entity, or one for many when the service has it. What an entity is called goes into the path
 * escaped, so that it can change neither the host, nor the number of segments, nor the query.
 */
import { asFeatureRow } from '../../core/features/feature-row.ts';
import { SourceFailure } from '../../core/features/source-failure.ts';
import type { FeatureRow, FeatureSource, FeaturesConfig } from '../../ports/feature-source.ts';
import type { HttpClient } from './http-client.ts';

/** Servers take request lines of 8 KiB at least. */
const maxPathLength = 8000;

export type JsonClient = Pick<HttpClient, 'getJson'>;

/** `close` is called when the last model that uses it is gone. @throws Error when the source is no plain URL or a path is none. */
export function httpFeatures(
  config: FeaturesConfig,
  client: JsonClient,
  close: () => Promise<void> = async () => {},
): FeatureSource {
  const { key, batchKey, timeoutMs = 500 } = config;
  const base = baseOf(config.source);
  const authorization = authorizationOf(new URL(config.source));
  const get = (url: URL): Promise<unknown> => client.getJson(url, timeoutMs, authorization);
  checkPath('key', key, base);
  if (batchKey === undefined) {
    const fetchOne = async (entity: string): Promise<FeatureRow | undefined> => {
      const url = urlOf(base, fill(key, entity));
      return url === undefined ? undefined : rowOf(await get(url));
    };
    return { maxBatch: 1, close, fetchMany: (entities) => Promise.all(entities.map(fetchOne)) };
  }
  checkPath('batchKey', batchKey, base);
  const fetchSome = async (entities: readonly string[]): Promise<readonly (FeatureRow | undefined)[]> => {
    const names = entities.map(encodeURIComponent).join(',');
    const url = urlOf(
      base,
      batchKey.replaceAll('{entities}', () => names),
    );
    return url === undefined ? entities.map(() => undefined) : rowsOf(entities, await get(url));
  };
  return {
    maxBatch: 100,
    close,
    fetchMany: async (entities) => (await Promise.all(splitByLength(entities).map(fetchSome))).flat(),
  };
}

function fill(template: string, entity: string): string {
  return template.replaceAll('{entity}', () => encodeURIComponent(entity));
}

/** Undefined when the path would not stay as it is: `.` and `..` as a whole segment lead elsewhere, and no entity lies there. */
export function urlOf(base: URL, path: string): URL | undefined {
  const full = base.pathname.replace(/\/$/, '') + path;
  const url = new URL(base);
  const [pathname = '', search] = splitQuery(full);
  url.pathname = pathname;
  url.search = search ?? '';
  return url.pathname === pathname ? url : undefined;
}

function splitQuery(path: string): [string, string | undefined] {
  const at = path.indexOf('?');
  return at < 0 ? [path, undefined] : [path.slice(0, at), path.slice(at + 1)];
}

function baseOf(source: string): URL {
  const url = new URL(source);
  if (url.search !== '' || url.hash !== '') throw new Error('features.source: expected a URL without ? and #.');
  url.username = '';
  url.password = '';
  return url;
}

/** A path that the URL parser leaves as it is, so that it is known what is sent. */
function checkPath(name: string, path: string, base: URL): void {
  const sample = path.replaceAll(/\{entit(?:y|ies)\}/g, 'a');
  if (path.startsWith('/') && !path.includes('#') && urlOf(base, sample) !== undefined) return;
  throw new Error(
    `features.${name}: expected a path that begins with / and needs no escapes, got "${path.slice(0, 100)}".`,
  );
}

/** Of `http://name:password@host`. */
function authorizationOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

function splitByLength(entities: readonly string[]): readonly (readonly string[])[] {
  const parts: string[][] = [];
  let length = 0;
  for (const entity of entities) {
    const size = encodeURIComponent(entity).length + 1;
    if (parts.length === 0 || length + size > maxPathLength) {
      parts.push([]);
      length = 0;
    }
    parts.at(-1)!.push(entity);
    length += size;
  }
  return parts;
}

function rowOf(value: unknown): FeatureRow | undefined {
  if (value === undefined || value === null) return undefined;
  const row = asFeatureRow(value);
  if (row === undefined) throw new SourceFailure('It answered JSON that is no object of features.', false);
  return row;
}

function rowsOf(entities: readonly string[], value: unknown): readonly (FeatureRow | undefined)[] {
  const byEntity = asFeatureRow(value);
  if (byEntity === undefined) throw new SourceFailure('It answered JSON that is no object by entity.', false);
  return entities.map((entity) => rowOf(Object.hasOwn(byEntity, entity) ? byEntity[entity] : undefined));
}
