/** The predict routes: each names what it takes and hands the raw request to a PredictExchange, which answers it. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RestContext } from './context.ts';
import { wireOf } from './node-wire.ts';
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
      config: { role: 'predict', isInference: true },
      // Before Fastify looks at the body: its content type parser costs 1 to 2 us of a request's 15.
      onRequest: (request, reply) => {
        reply.hijack();
        const wire = wireOf(request, reply, context.requestTimeoutMs);
        new PredictExchange(context, wire, targetOf(request)).start();
      },
      handler: unreachable,
    });
  };
  const fromParams = (request: FastifyRequest): PredictTarget => {
    const { model, version } = request.params as { model: string; version?: string };
    return named(model, version);
  };
  for (const [url, target] of exact) post(url, () => target);
  post('/api/v1/models/:model/predict', fromParams);
  post('/api/v1/models/:model/versions/:version/predict', fromParams);
}

const namedPath = /^\/api\/v1\/models\/([^/]{1,200})(?:\/versions\/([^/]{1,200}))?\/predict$/;

/** What the routes above make of a path without escapes or query; for the lane, which has no router. */
export function predictTargetOf(path: string): PredictTarget | undefined {
  const target = exact.get(path);
  if (target !== undefined) return target;
  const match = namedPath.exec(path);
  return match === null ? undefined : named(match[1]!, match[2]);
}

function named(model: string, version: string | undefined): PredictTarget {
  return { kinds: any, batch: false, model, version };
}

/** Fastify wants a handler; the hook above has answered already. */
function unreachable(): void {}
