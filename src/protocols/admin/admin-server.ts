/**
 * The admin listener: load, unload, reload, log level, profiles, API keys, tasks. On a port of its own, loopback by default; open to whoever
 * reaches it unless it is given a guard. Made by the composition root. Every operation is logged and audited. Nothing here is hot.
 */
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { invalidInput, toHotpathError } from '../../core/errors.ts';
import type { RouteRole } from '../../ports/access.ts';
import { audited } from '../audit.ts';
import { fromFramework } from '../framework-errors.ts';
import { errorBody, isFailure, notFound, retryAfterSeconds, statusOf } from '../http-errors.ts';
import { visibleTo } from '../model-scope.ts';
import { type DeclaredRoute, guardRoutes, requireRoles } from '../route-roles.ts';
import { addCacheRoutes } from './cache-routes.ts';
import type { AdminDeps, LogLevel } from './deps.ts';
import { refuseForeignPage } from './guard.ts';
import { addKeyRoutes } from './key-routes.ts';
import { addTaskRoutes } from './task-routes.ts';

export interface AdminServer {
  readonly app: FastifyInstance;
  /** Every route with the role it demands. */
  readonly routes: readonly DeclaredRoute[];
  listen(): Promise<{ readonly url: string; readonly address: AddressInfo }>;
  /** Finishes what runs, then stops. Idempotent. */
  close(): Promise<void>;
  /** Cuts every connection. Idempotent. */
  destroy(): Promise<void>;
}

/** The role a route demands, as its registration says it. */
const role = (name: RouteRole) => ({ config: { role: name } });

const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const satisfies readonly LogLevel[];

export function createAdminServer(deps: AdminDeps): AdminServer {
  const { config } = deps;
  const app = Fastify({ logger: false, bodyLimit: 64 * 1024, forceCloseConnections: 'idle' });
  const routes = requireRoles(app);
  app.addHook('onRequest', async (request) => {
    const refusal = refuseForeignPage(request.headers, config.adminHost);
    if (refusal !== undefined) throw refusal;
  });
  // Behind the hook above: a page of another site learns nothing, not even whether a key is good.
  if (deps.access !== undefined) guardRoutes(app, deps.access);
  app.setErrorHandler((thrown, _request, reply) => answerError(deps, reply, fromFramework(thrown)));
  app.setNotFoundHandler((request, reply) => answerError(deps, reply, notFound(request.method, request.url)));
  addModelRoutes(app, deps);
  addDiagnosticRoutes(app, deps);
  addKeyRoutes(app, deps);
  addCacheRoutes(app, deps);
  addTaskRoutes(app, deps);
  return {
    app,
    routes,
    async listen() {
      await app.listen({ host: config.adminHost, port: config.adminPort });
      const address = app.server.address() as AddressInfo;
      const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
      return { url: `http://${host}:${address.port}`, address };
    },
    close: () => app.close(),
    async destroy() {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

interface ModelParams {
  readonly model: string;
  readonly version?: string;
}

function addModelRoutes(app: FastifyInstance, deps: AdminDeps): void {
  const { catalog, logger } = deps;
  app.get('/admin/models', role('operate'), async ({ caller }) => ({
    models: visibleTo(caller, await catalog.list()),
  }));
  for (const path of ['/admin/models/:model', '/admin/models/:model/versions/:version']) {
    app.post<{ Params: ModelParams }>(`${path}/load`, role('operate'), async ({ params, caller }) => {
      const load = () => catalog.load(params.model, params.version);
      const status = await audited(deps, caller, 'model.load', targetOf(params), load);
      logger.info({ ...params }, 'model loaded by the admin API');
      return status;
    });
    // With ?hold=true it stays away until it is loaded explicitly; else the next request brings it back.
    app.post<{ Params: ModelParams; Querystring: { hold?: string } }>(
      `${path}/unload`,
      role('operate'),
      async ({ params, query, caller }) => {
        const unload = () => catalog.unload(params.model, params.version, query.hold === 'true');
        await audited(deps, caller, 'model.unload', targetOf(params), unload);
        logger.info({ ...params }, 'model unloaded by the admin API');
        return { unloaded: true };
      },
    );
  }
  app.post<{ Params: ModelParams }>('/admin/models/:model/reload', role('operate'), async ({ params, caller }) => {
    const reload = () => catalog.reload(params.model);
    const versions = await audited(deps, caller, 'model.reload', targetOf(params), reload);
    logger.info({ ...params }, 'model reloaded by the admin API');
    return { versions };
  });
}

function targetOf({ model, version }: ModelParams): string {
  return version === undefined ? model : `${model}/${version}`;
}

function addDiagnosticRoutes(app: FastifyInstance, deps: AdminDeps): void {
  const { logger, setLogLevel, pools, profileCpu, profileHeap } = deps;
  app.get('/debug/pool', role('operate'), async () => pools());
  app.put('/admin/log-level', role('admin'), async ({ body, caller }) => {
    const level = readLevel(body);
    await audited(deps, caller, 'log.level', level, () => setLogLevel(level));
    logger.info({ newLevel: level }, 'log level changed by the admin API');
    return { level };
  });
  const profiles = [
    { name: 'cpu', extension: 'cpuprofile', take: profileCpu },
    { name: 'heap', extension: 'heapprofile', take: profileHeap },
  ];
  for (const { name, extension, take } of profiles) {
    app.post<{ Querystring: { seconds?: string } }>(
      `/admin/profile/${name}`,
      role('operate'),
      async ({ query, caller }, reply) => {
        const profile = await audited(deps, caller, 'profile.take', name, () => take(Number(query.seconds ?? 10)));
        reply.header('content-disposition', `attachment; filename="hotpath.${extension}"`);
        return profile;
      },
    );
  }
}

function readLevel(body: unknown): LogLevel {
  const level = typeof body === 'object' && body !== null ? (body as { level?: unknown }).level : undefined;
  const known = logLevels.find((name) => name === level);
  if (known !== undefined) return known;
  throw invalidInput('level', `level: expected one of ${logLevels.join(', ')}.`, logLevels.join(' | '));
}

function answerError({ logger }: AdminDeps, reply: FastifyReply, thrown: unknown): FastifyReply {
  const error = toHotpathError(thrown);
  if (isFailure(error.code)) logger.error({ code: error.code, err: error.cause ?? error }, 'admin request failed');
  const retryAfter = retryAfterSeconds(error);
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  if (error.code === 'UNAUTHENTICATED') reply.header('www-authenticate', 'Bearer');
  return reply.status(statusOf[error.code]).send(errorBody(error));
}
