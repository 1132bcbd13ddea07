/**
 * Logged predictions over REST: one by id, immutable and made to be cached; lists by filter, newest first. Not hot. What the caller
 * may not see is answered as if it were not there.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HotpathError } from '../../core/errors.ts';
import type { PredictionReader, Visible } from '../../core/predictions/prediction-reader.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import { contentTypes } from './body-format.ts';
import { wireOf } from './node-wire.ts';
import { predictionJson, predictionListJson } from './prediction-json.ts';
import { readPredictionId, readPredictionQuery } from './prediction-query.ts';
import { type SendContext, send } from './send.ts';
import { sendError } from './send-error.ts';
import type { HeaderList } from './wire.ts';

export interface PredictionRouteDeps {
  /** Undefined: no database is open, so nothing is logged and there is nothing to read. */
  readonly reader: PredictionReader | undefined;
  /** True with `auth`: shared caches must not keep answers then. */
  readonly privateAnswers: boolean;
  /** Which models the request's caller may see. @throws UNAUTHENTICATED, PERMISSION_DENIED. */
  readonly authorize: (request: FastifyRequest) => Visible | Promise<Visible>;
}

export interface PredictionRouteContext extends SendContext {
  readonly requestTimeoutMs: number;
  readonly deps: { readonly logger: Logger; readonly telemetry: Telemetry };
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: HeaderList;
}

type Respond = (request: FastifyRequest, reader: PredictionReader, visible: Visible) => Promise<Answer>;

export function addPredictionRoutes(
  app: FastifyInstance,
  context: PredictionRouteContext,
  deps: PredictionRouteDeps,
): void {
  const get = (url: string, respond: Respond): void => {
    app.get(url, { config: { role: 'predict' } }, (request, reply) => {
      reply.hijack();
      const wire = wireOf(request, reply, context.requestTimeoutMs);
      void answerOf(request, deps, respond).then(
        ({ status, body, headers }) => send(context, wire, status, contentTypes.json, body, headers),
        (error) => {
          const { code } = sendError(context, wire, error, ['cache-control', 'no-store']);
          context.deps.telemetry.unroutedRequest('rest', code, 0);
        },
      );
    });
  };
  get('/api/v1/predictions', async (request, reader, visible) => {
    const { filter, limit } = readPredictionQuery(request.query as Record<string, unknown>);
    const page = await fromStore(context, reader.list(filter, limit, visible));
    return { status: 200, body: predictionListJson(page), headers: ['cache-control', 'no-store'] };
  });
  get('/api/v1/predictions/:id', async (request, reader, visible) => {
    const id = readPredictionId('id', (request.params as { readonly id: string }).id);
    const record = await fromStore(context, reader.find(id, visible));
    if (record === undefined) throw new HotpathError('NOT_FOUND', `There is no prediction "${id}".`, { field: 'id' });
    const etag = `"${id}"`;
    const scope = deps.privateAnswers ? 'private' : 'public';
    const headers = ['etag', etag, 'cache-control', `${scope}, max-age=31536000, immutable`];
    if (matches(request.headers['if-none-match'], etag)) return { status: 304, body: '', headers };
    return { status: 200, body: predictionJson(record), headers };
  });
}

async function answerOf(request: FastifyRequest, deps: PredictionRouteDeps, respond: Respond): Promise<Answer> {
  const visible = await deps.authorize(request);
  if (deps.reader === undefined) {
    throw new HotpathError(
      'UNSUPPORTED',
      'Predictions are not logged here: set predictionLog to async or stored to keep them.',
      { field: 'predictionLog', expected: 'async or stored' },
    );
  }
  return respond(request, deps.reader, visible);
}

/** A database that does not answer is no bug of ours, and it comes back. */
async function fromStore<T>(context: PredictionRouteContext, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof HotpathError) throw error;
    context.deps.logger.warn({ err: error }, 'predictions could not be read');
    const message = 'The database of predictions did not answer; try again shortly.';
    throw new HotpathError('OVERLOADED', message, { retryAfterSeconds: 1 }, { cause: error });
  }
}

/** The id is part of the tag, so that it cannot stand within another one. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  return ifNoneMatch !== undefined && (ifNoneMatch.includes(etag) || ifNoneMatch.trim() === '*');
}
