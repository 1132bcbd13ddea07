/**
 * JSON bodies of the cold routes, whatever their content type says: curl sends JSON as a form and Python clients without any
 * type. An absent or empty body is an empty object. Never used for inference.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HotpathError } from '../../core/errors.ts';
import { readLongJson } from '../codecs/long-json.ts';
import { maxSmallJsonBytes, readJson } from '../codecs/read-json.ts';
import { isObject } from '../codecs/read-row.ts';
import { describeValue } from '../codecs/value-text.ts';
import { expectedAt } from './field-errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Replaces the content type parsers of `scope`; every handler in it finds an object as `request.body`. */
export function takeJsonBodies(scope: FastifyInstance, maxDepth: number): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding === 'identity') return readObject(body, maxDepth);
    throw new HotpathError('UNSUPPORTED_MEDIA_TYPE', 'Content-Encoding: this call takes plain bodies only.', {
      field: 'Content-Encoding',
    });
  });
  scope.addHook('preValidation', async (request) => {
    request.body ??= {};
  });
}

async function readObject(body: Buffer, maxDepth: number): Promise<JsonObject> {
  if (body.length === 0) return {};
  const value = body.length > maxSmallJsonBytes ? await readLongJson(body, maxDepth) : readJson(body, maxDepth);
  if (isObject(value)) return value;
  throw expectedAt('body', 'an object', describeValue(value));
}
