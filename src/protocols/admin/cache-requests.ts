/** The bodies of the cache's admin routes: what may stand there. Called by cache-routes.ts. Every complaint names its field. */
import type { Invalidation } from '../../ports/cache-store.ts';
import { readFields, readName, readNumber, readVersion, wrong } from './request-fields.ts';

/** Neither `hours` nor `file`: what the model's configuration says, else the last day. */
export interface WarmRequest {
  readonly model: string;
  /** A version or a label. @default the newest */
  readonly version: string | undefined;
  /** Of the prediction log. */
  readonly hours: number | undefined;
  /** Most inputs. @default 1000 of the log, all of the file */
  readonly top: number | undefined;
  /** In the model's folder. */
  readonly file: string | undefined;
}

const maxHours = 8760;
/** They are read at once, each up to the size the log keeps. */
const maxTop = 100_000;

/** @throws INVALID_INPUT. */
export function readInvalidation(body: unknown): Invalidation {
  const { model, version } = readFields(body, ['model', 'version']);
  return { model: readName('model', model, 'a model’s name, or a pattern with *'), version: readVersion(version) };
}

/** @throws INVALID_INPUT. */
export function readWarmRequest(body: unknown): WarmRequest {
  const fields = readFields(body, ['model', 'version', 'hours', 'top', 'file']);
  const { hours, top, file } = fields;
  return {
    model: readName('model', fields.model, 'a model’s name'),
    version: readVersion(fields.version),
    hours: hours === undefined ? undefined : readNumber('hours', hours, 0.01, maxHours),
    top: top === undefined ? undefined : readTop(top),
    file: file === undefined ? undefined : readName('file', file, 'a file in the model’s folder'),
  };
}

function readTop(value: unknown): number {
  if (Number.isInteger(value)) return readNumber('top', value, 1, maxTop);
  throw wrong('top', `an integer from 1 to ${maxTop}`, value);
}
