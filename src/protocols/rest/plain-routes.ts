/** The small GET routes around the predictions: health, metrics, model metadata, documentation. None of them is hot. */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { LoadedStatus, ModelStatus } from '../../core/registry/catalog.ts';
import type { RouteRole } from '../../ports/access.ts';
import { visibleTo } from '../model-scope.ts';
import { contentTypes } from './body-format.ts';
import type { RestContext } from './context.ts';
import type { HealthView } from './deps.ts';
import { type NodeWire, wireOf } from './node-wire.ts';
import { send } from './send.ts';
import { sendError } from './send-error.ts';
import type { HeaderList } from './wire.ts';

interface Answer {
  readonly status?: number;
  readonly contentType?: string;
  readonly body: string;
  readonly headers?: HeaderList;
}

interface ModelParams {
  readonly model: string;
  readonly version?: string;
}

/** What changes with every request has no place in metadata that clients cache. */
type StableStatus = Omit<LoadedStatus, 'queue' | 'inFlightRequests' | 'busyInstances'>;

export function addPlainRoutes(app: FastifyInstance, context: RestContext): void {
  const { access, catalog, defaultModel, health, issueToken, metrics, warm } = context.deps;
  const get = (url: string, role: RouteRole, answer: (request: FastifyRequest) => Answer | Promise<Answer>): void => {
    app.get(url, { config: { role } }, (request, reply) => {
      reply.hijack();
      void respond(context, request, wireOf(request, reply, context.requestTimeoutMs), answer);
    });
  };
  get('/', 'public', () =>
    json({ name: 'hotpath', version: health().version, docs: '/docs', predict: '/api/v1/predict', health: '/health' }),
  );
  get('/health', 'public', () => {
    const view = access === undefined ? health() : withoutModels(health());
    return { ...json(view), status: view.state === 'ready' ? 200 : 503, headers: uncached() };
  });
  get('/health/live', 'public', () => ({ ...json({ live: true }), headers: uncached() }));
  get('/health/ready', 'public', () => {
    const { state } = health();
    return { ...json({ ready: state === 'ready', state }), status: state === 'ready' ? 200 : 503, headers: uncached() };
  });
  get('/metrics', 'operate', () => metrics());
  get('/api/v1/models', 'predict', async (request) => {
    const models = visibleTo(request.caller, await catalog.list());
    const named = visibleTo(request.caller, [{ name: defaultModel() ?? '' }])[0]?.name || null;
    return cacheable(request, { defaultModel: named, models: models.map(stableStatus) });
  });
  const describe = async (request: FastifyRequest): Promise<Answer> => {
    const { model, version } = request.params as ModelParams;
    // Whoever asks for a signature wants the model soon; a dropped file has none before it is loaded.
    await warm(model, version);
    return cacheable(request, stableStatus(await catalog.describe(model, version)));
  };
  get('/api/v1/models/:model', 'predict', describe);
  get('/api/v1/models/:model/versions/:version', 'predict', describe);
  // Loaded on the first visit: documentation must not cost a server its start-up time and memory.
  get('/docs', 'public', async () => {
    const { docsPage, docsPolicy } = await import('./docs-page.ts');
    return {
      body: docsPage,
      contentType: 'text/html; charset=utf-8',
      headers: ['content-security-policy', docsPolicy],
    };
  });
  get('/docs/openapi.json', 'public', async () => {
    const { openApi } = await import('./openapi.ts');
    return json(openApi(health().version, { auth: access !== undefined, issuesTokens: issueToken !== undefined }));
  });
}

async function respond(
  context: RestContext,
  request: FastifyRequest,
  wire: NodeWire,
  answer: (request: FastifyRequest) => Answer | Promise<Answer>,
): Promise<void> {
  try {
    const { status = 200, contentType = contentTypes.json, body, headers = [] } = await answer(request);
    send(context, wire, status, contentType, body, headers);
  } catch (error) {
    const { code } = sendError(context, wire, error);
    context.deps.telemetry.unroutedRequest('rest', code, 0);
  }
}

/** Health is public, but which models there are is not. */
function withoutModels({ notes: _, ...view }: HealthView): HealthView {
  return { ...view, optimizations: [] };
}

function json(value: object): Answer {
  return { body: JSON.stringify(value) };
}

function uncached(): HeaderList {
  return ['cache-control', 'no-store'];
}

/** With a strong ETag from the content; 304 when the client has it already. */
function cacheable(request: FastifyRequest, value: object): Answer {
  const body = JSON.stringify(value);
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
  const headers = ['etag', etag, 'cache-control', 'no-cache'];
  return matches(request.headers['if-none-match'], etag) ? { status: 304, body: '', headers } : { body, headers };
}

function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((part) => part.trim().replace(/^W\//, '') === etag || part.trim() === '*');
}

function stableStatus(status: ModelStatus): Omit<ModelStatus, 'loaded'> & { loaded?: StableStatus } {
  const { loaded, ...rest } = status;
  if (loaded === undefined) return rest;
  const { queue: _queue, inFlightRequests: _inFlight, busyInstances: _busy, ...stable } = loaded;
  return { ...rest, loaded: stable };
}
