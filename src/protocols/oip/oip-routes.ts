/**
 * The REST routes of the Open Inference Protocol under /v2. Inference goes to the hot exchange it is given; everything else is
 * cold and answered here. Made once by the REST server. Errors are `{"error": "<sentence>"}` with the protocol's statuses.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { HotpathError } from '../../core/errors.ts';
import type { RouteRole } from '../../ports/access.ts';
import { fromFramework } from '../framework-errors.ts';
import { isFailure, notFound } from '../http-errors.ts';
import { visibleTo } from '../model-scope.ts';
import { changeLogSettings, loadModel, requireControl, unloadModel } from './control.ts';
import { errorAnswer } from './errors.ts';
import { type JsonObject, takeJsonBodies } from './json-body.ts';
import { logSettings } from './log-settings.ts';
import { modelMetadata } from './metadata.ts';
import { configOf } from './model-config.ts';
import { loadedStatus, warmStatus } from './model-lookup.ts';
import type { OipDeps } from './oip-deps.ts';
import { readIndexRequest, readLoadRequest, readUnloadRequest, repositoryIndex } from './repository.ts';
import { serverMetadata } from './server-metadata.ts';
import { type ModelStats, modelStats } from './statistics.ts';
import { changedTrace, traceSettings } from './trace-settings.ts';

interface Params {
  readonly model: string;
  readonly version?: string;
}

/** Settings and index requests; a load may bring files and has the server's limit. */
const smallBodyBytes = 64 * 1024;

/** The role a route demands, as its registration says it. */
const role = (name: RouteRole) => ({ config: { role: name } });

const modelPaths = ['/models/:model', '/models/:model/versions/:version'];

export function addOipRoutes(app: FastifyInstance, deps: OipDeps): void {
  app.register(
    (scope, _options, done) => {
      takeJsonBodies(scope, deps.limits.maxJsonDepth);
      scope.setErrorHandler((thrown, _request, reply) => sendError(deps, reply, ofFramework(thrown)));
      scope.setNotFoundHandler((request, reply) => sendError(deps, reply, notFound(request.method, request.url)));
      addServerRoutes(scope, deps);
      addModelRoutes(scope, deps);
      addStatisticsRoutes(scope, deps);
      addRepositoryRoutes(scope, deps);
      addSettingRoutes(scope, deps);
      addInferRoutes(scope, deps);
      done();
    },
    { prefix: '/v2' },
  );
}

function addServerRoutes(scope: FastifyInstance, deps: OipDeps): void {
  const { version, control, extensions, health } = deps;
  scope.get('/', role('predict'), (_request, reply) => sendJson(reply, serverMetadata(version, control, extensions)));
  scope.get('/health/live', role('public'), (_request, reply) =>
    sendJson(reply.header('cache-control', 'no-store'), { live: true }),
  );
  // The specification's page has `live` in this body as well; clients look at the status.
  scope.get('/health/ready', role('public'), (_request, reply) => {
    const ready = health().state === 'ready';
    return sendJson(reply.header('cache-control', 'no-store').status(ready ? 200 : 503), { live: true, ready });
  });
}

function addModelRoutes(scope: FastifyInstance, deps: OipDeps): void {
  for (const path of modelPaths) {
    scope.get<{ Params: Params }>(path, role('predict'), async ({ params: { model, version } }, reply) => {
      const status = await loadedStatus(deps, model, version);
      return sendJson(reply, modelMetadata(status, await deps.catalog.list(model)));
    });
    scope.get<{ Params: Params }>(`${path}/config`, role('predict'), async ({ params: { model, version } }, reply) => {
      return sendJson(reply, await configOf(deps, model, version));
    });
    scope.get<{ Params: Params }>(`${path}/ready`, role('predict'), async ({ params: { model, version } }, reply) => {
      const { name, state } = await warmStatus(deps, model, version);
      const ready = state === 'ready';
      return sendJson(reply.header('cache-control', 'no-store').status(ready ? 200 : 503), { name, ready });
    });
  }
}

function addStatisticsRoutes(scope: FastifyInstance, { catalog, statistics }: OipDeps): void {
  const send = (reply: FastifyReply, stats: readonly ModelStats[]) => sendJson(reply, { model_stats: stats });
  // Without a name: what is or was loaded. With one: every version, loaded or not.
  scope.get('/models/stats', role('predict'), async ({ caller }, reply) => {
    const source = await statistics();
    return send(
      reply,
      visibleTo(caller, catalog.snapshot()).map((status) => modelStats(status, source)),
    );
  });
  scope.get<{ Params: Params }>('/models/:model/stats', role('predict'), async ({ params: { model } }, reply) => {
    await catalog.describe(model);
    const source = await statistics();
    return send(
      reply,
      (await catalog.list(model)).map((status) => modelStats(status, source)),
    );
  });
  scope.get<{ Params: Params }>('/models/:model/versions/:version/stats', role('predict'), async ({ params }, reply) =>
    send(reply, [modelStats(await catalog.describe(params.model, params.version), await statistics())]),
  );
}

function addRepositoryRoutes(scope: FastifyInstance, deps: OipDeps): void {
  const index = { bodyLimit: smallBodyBytes, ...role('predict') };
  scope.post<{ Body: JsonObject }>('/repository/index', index, async ({ body, caller }, reply) => {
    const { ready } = readIndexRequest(body);
    return sendJson(reply, repositoryIndex(visibleTo(caller, await deps.catalog.list()), ready));
  });
  scope.post<{ Params: Params; Body: JsonObject }>(
    '/repository/models/:model/load',
    { bodyLimit: deps.limits.maxBodyBytes, onRequest: async () => requireControl(deps.control), ...role('operate') },
    async ({ params, body, caller }, reply) => {
      await loadModel(deps, readLoadRequest(params.model, body), caller);
      return sendJson(reply, undefined);
    },
  );
  scope.post<{ Params: Params; Body: JsonObject }>(
    '/repository/models/:model/unload',
    { bodyLimit: smallBodyBytes, ...role('operate') },
    async ({ params, body, caller }, reply) => {
      await unloadModel(deps, readUnloadRequest(params.model, body), caller);
      return sendJson(reply, undefined);
    },
  );
}

function addSettingRoutes(scope: FastifyInstance, deps: OipDeps): void {
  const small = { bodyLimit: smallBodyBytes, ...role('admin') };
  scope.get('/logging', role('admin'), (_request, reply) => sendJson(reply, logSettings(deps.logLevel())));
  scope.post<{ Body: JsonObject }>('/logging', small, async ({ body, caller }, reply) =>
    sendJson(reply, await changeLogSettings(deps, body, caller)),
  );
  scope.get('/trace/setting', role('admin'), (_request, reply) => sendJson(reply, traceSettings));
  scope.post<{ Body: JsonObject }>('/trace/setting', small, ({ body }, reply) => sendJson(reply, changedTrace(body)));
  const ofModel = '/models/:model/trace/setting';
  scope.get<{ Params: Params }>(ofModel, role('admin'), async ({ params }, reply) => {
    await deps.catalog.describe(params.model);
    return sendJson(reply, traceSettings);
  });
  scope.post<{ Params: Params; Body: JsonObject }>(ofModel, small, async ({ params, body }, reply) => {
    await deps.catalog.describe(params.model);
    return sendJson(reply, changedTrace(body));
  });
}

function addInferRoutes(scope: FastifyInstance, deps: OipDeps): void {
  for (const path of modelPaths) {
    scope.route({
      method: 'POST',
      url: `${path}/infer`,
      config: { role: 'predict', isInference: true },
      // Before Fastify looks at the body; the exchange hijacks the reply.
      onRequest: (request, reply) => {
        const { model, version } = request.params as Params;
        deps.exchange(request, reply, { model, version });
      },
      handler: () => {},
    });
  }
}

/** Undefined: an empty body, as Triton answers a load. */
function sendJson(reply: FastifyReply, value: object | undefined): FastifyReply {
  return sendText(reply, value === undefined ? '' : JSON.stringify(value));
}

function sendError(deps: OipDeps, reply: FastifyReply, thrown: unknown): FastifyReply {
  const { error, status, body, retryAfterSeconds } = errorAnswer(thrown);
  if (isFailure(error.code)) deps.logger.error({ code: error.code, err: error.cause ?? error }, 'request failed');
  deps.telemetry.unroutedRequest('oip-rest', error.code, 0);
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
  if (error.code === 'UNAUTHENTICATED') reply.header('www-authenticate', 'Bearer');
  return sendText(reply.status(status).header('hotpath-code', error.code), body);
}

/** As bytes: to text Fastify adds a charset, which JSON does not have and strict clients compare. */
function sendText(reply: FastifyReply, text: string): FastifyReply {
  return reply.header('content-type', 'application/json').send(Buffer.from(text));
}

function ofFramework(thrown: unknown): HotpathError {
  if ((thrown as { statusCode?: number }).statusCode === 413) {
    return new HotpathError('PAYLOAD_TOO_LARGE', 'The body is larger than this call takes.');
  }
  return fromFramework(thrown);
}
