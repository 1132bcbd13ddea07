/**
 * The model repository extension: the index, and what a load or unload call asks for as typed requests. Reads and shapes only;
 * who carries a request out is for the caller. For REST and gRPC.
 */
import { invalidInput } from '../../core/errors.ts';
import type { ModelStatus } from '../../core/registry/catalog.ts';
import type { ModelState } from '../../core/types.ts';
import { isObject } from '../codecs/read-row.ts';
import { describeValue, quote } from '../codecs/value-text.ts';
import { expectedAt } from './field-errors.ts';

export type RepositoryState = 'READY' | 'UNAVAILABLE' | 'LOADING' | 'UNLOADING';

export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: RepositoryState;
  /** Empty when there is nothing to say. */
  readonly reason: string;
}

export interface LoadRequest {
  readonly model: string;
  /** Triton's ModelConfig as JSON object, in force instead of the one in the folder. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  /** Files of the model, in place of those in the folder. */
  readonly files: readonly LoadedFile[];
}

export interface LoadedFile {
  readonly version: string;
  /** Below the version's folder, `/` between parts. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface UnloadRequest {
  readonly model: string;
  readonly unloadDependents: boolean;
}

const stateNames = {
  ready: 'READY',
  loading: 'LOADING',
  unloading: 'UNLOADING',
  unloaded: 'UNAVAILABLE',
  failed: 'UNAVAILABLE',
} as const satisfies Record<ModelState, RepositoryState>;

export function repositoryIndex(statuses: readonly ModelStatus[], readyOnly: boolean): readonly IndexEntry[] {
  const wanted = readyOnly ? statuses.filter(({ state }) => state === 'ready') : statuses;
  return wanted.map(({ name, version, state, reason }) => ({
    name,
    version,
    state: stateNames[state],
    reason: reason ?? (state === 'unloaded' ? 'not loaded; its first request loads it' : ''),
  }));
}

/** `{"ready"?: bool}`. @throws INVALID_INPUT. */
export function readIndexRequest(body: Readonly<Record<string, unknown>>): { readonly ready: boolean } {
  const { ready } = body;
  if (ready === undefined || ready === null) return { ready: false };
  if (typeof ready === 'boolean') return { ready };
  throw expectedAt('ready', 'true or false', describeValue(ready));
}

/** `{"parameters"?: {"config"?: "<JSON>", "file:<version>/<name>"?: "<base64>"}}`. @throws INVALID_INPUT naming the parameter. */
export function readLoadRequest(model: string, body: Readonly<Record<string, unknown>>): LoadRequest {
  const files: LoadedFile[] = [];
  let config: LoadRequest['config'];
  const parameters = parametersOf(body);
  for (const name of Object.keys(parameters)) {
    const value = parameters[name];
    const field = `parameters.${name.slice(0, 100)}`;
    if (name === 'config') config = readConfig(field, value);
    else if (name.startsWith('file:')) files.push(readFile(field, name.slice('file:'.length), value));
    else throw expectedAt(field, '"config" or "file:<version>/<file name>"', quote(name));
  }
  if (files.length > 0 && config === undefined) {
    throw invalidInput(
      'parameters.config',
      'parameters.config: files can only be sent together with a config',
      'a config',
    );
  }
  return { model, config, files };
}

/** `{"parameters"?: {"unload_dependents"?: bool}}`. @throws INVALID_INPUT. */
export function readUnloadRequest(model: string, body: Readonly<Record<string, unknown>>): UnloadRequest {
  const value = parametersOf(body).unload_dependents;
  if (value === undefined || value === null) return { model, unloadDependents: false };
  if (typeof value === 'boolean') return { model, unloadDependents: value };
  throw expectedAt('parameters.unload_dependents', 'true or false', describeValue(value));
}

function parametersOf({ parameters }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (parameters === undefined || parameters === null) return {};
  if (isObject(parameters)) return parameters;
  throw expectedAt('parameters', 'an object', describeValue(parameters));
}

function readConfig(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'string') throw expectedAt(field, 'a string of JSON', describeValue(value));
  const config = parseJson(value);
  if (isObject(config)) return config;
  throw expectedAt(
    field,
    'a model configuration as JSON object',
    config === undefined ? 'no JSON' : describeValue(config),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** gRPC brings the bytes themselves. */
function readFile(field: string, location: string, value: unknown): LoadedFile {
  const [version = '', ...parts] = location.split('/');
  const safe = parts.length > 0 && parts.every((part) => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(part));
  if (!/^[1-9]\d{0,14}$/.test(version) || !safe) {
    throw expectedAt(field, '"file:<version>/<file name>"', quote(location));
  }
  if (value instanceof Uint8Array) return { version, path: parts.join('/'), bytes: value };
  if (typeof value !== 'string') throw expectedAt(field, 'base64 text', describeValue(value));
  return { version, path: parts.join('/'), bytes: decodeBase64(field, value) };
}

/** Node skips what is no base64; then fewer bytes come out than the text has room for. */
function decodeBase64(field: string, text: string): Buffer {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === Math.floor(((text.length - padding) * 3) / 4)) return bytes;
  throw expectedAt(field, 'base64 text', `${text.length} characters of which some are none`);
}
