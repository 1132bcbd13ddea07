/** The predict routes: each names what it takes and hands the raw request to a PredictExchange, which answers it. */
import type { RequestListener } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RestContext } from './context.ts';
import type { PayloadKind } from './predict-body.ts';
import { PredictExchange, type PredictTarget } from './predict-exchange.ts';

const one: readonly PayloadKind[] = ['features', 'inputs'];
const many: readonly PayloadKind[] = ['instances'];
const any: readonly PayloadKind[] = ['inputs', 'features', 'instances'];

/** The routes whose URL says nothing of the model. */
const exact: ReadonlyMap<string, PredictTarget> = new Map([
  ['/api/v1/predict', { kinds: one, batch: false, model: undefined, version: undefined }],
  ['/api/v1/predict/batch', { kinds: many, batch: true, model: undefined, version: undefined }],
]);

export function addPredictRoutes(app: FastifyInstance, context: RestContext): void {
  const post = (url: string, targetOf: (request: FastifyRequest) => PredictTarget): void => {
    app.route({
      method: 'POST',
      url,
      // Before Fastify looks at the body: its content type parser costs 1 to 2 us of a request's 15.
      onRequest: (request, reply) => {
        reply.hijack();
        new PredictExchange(context, request.raw, reply.raw, targetOf(request)).start();
      },
      handler: unreachable,
    });
  };
  const named = (request: FastifyRequest): PredictTarget => {
    const { model, version } = request.params as { model: string; version?: string };
    return { kinds: any, batch: false, model, version };
  };
  for (const [url, target] of exact) post(url, () => target);
  post('/api/v1/models/:model/predict', named);
  post('/api/v1/models/:model/versions/:version/predict', named);
}

/**
 * The two busiest URLs, letter for letter, go straight to their exchange; everything else, their variants with a query
 * included, takes Fastify's way to the same place.
 */
export function shortcutPredict(context: RestContext, next: RequestListener): RequestListener {
  return (request, response) => {
    const target = request.method === 'POST' ? exact.get(request.url ?? '') : undefined;
    if (target === undefined) next(request, response);
    else new PredictExchange(context, request, response, target).start();
  };
}

/** Fastify wants a handler; the hook above has answered already. */
function unreachable(): void {}
