/**
 * The admin listener: load, unload, reload, log level, profiles. On a port of its own, loopback by default, without
 * authentication; made by the composition root. Every operation is logged. Nothing here is hot.
 */
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { invalidInput, toHotpathError } from '../../core/errors.ts';
import { fromFramework } from '../framework-errors.ts';
import { errorBody, isFailure, notFound, retryAfterSeconds, statusOf } from '../http-errors.ts';
import type { AdminDeps, LogLevel } from './deps.ts';
import { refuseForeignPage } from './guard.ts';

export interface AdminServer {
  readonly app: FastifyInstance;
  listen(): Promise<{ readonly url: string; readonly address: AddressInfo }>;
  /** Finishes what runs, then stops. Idempotent. */
  close(): Promise<void>;
  /** Cuts every connection. Idempotent. */
  destroy(): Promise<void>;
}

const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const satisfies readonly LogLevel[];

export function createAdminServer(deps: AdminDeps): AdminServer {
  const { config } = deps;
  const app = Fastify({ logger: false, bodyLimit: 64 * 1024, forceCloseConnections: 'idle' });
  app.addHook('onRequest', async (request) => {
    const refusal = refuseForeignPage(request.headers, config.adminHost);
    if (refusal !== undefined) throw refusal;
  });
  app.setErrorHandler((thrown, _request, reply) => answerError(deps, reply, fromFramework(thrown)));
  app.setNotFoundHandler((request, reply) => answerError(deps, reply, notFound(request.method, request.url)));
  addModelRoutes(app, deps);
  addDiagnosticRoutes(app, deps);
  return {
    app,
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

function addModelRoutes(app: FastifyInstance, { catalog, logger }: AdminDeps): void {
  app.get('/admin/models', async () => ({ models: await catalog.list() }));
  for (const path of ['/admin/models/:model', '/admin/models/:model/versions/:version']) {
    app.post<{ Params: ModelParams }>(`${path}/load`, async ({ params }) => {
      const status = await catalog.load(params.model, params.version);
      logger.info({ ...params }, 'model loaded by the admin API');
      return status;
    });
    // With ?hold=true it stays away until it is loaded explicitly; else the next request brings it back.
    app.post<{ Params: ModelParams; Querystring: { hold?: string } }>(`${path}/unload`, async ({ params, query }) => {
      await catalog.unload(params.model, params.version, query.hold === 'true');
      logger.info({ ...params }, 'model unloaded by the admin API');
      return { unloaded: true };
    });
  }
  app.post<{ Params: ModelParams }>('/admin/models/:model/reload', async ({ params }) => {
    const versions = await catalog.reload(params.model);
    logger.info({ ...params }, 'model reloaded by the admin API');
    return { versions };
  });
}

function addDiagnosticRoutes(app: FastifyInstance, deps: AdminDeps): void {
  const { logger, setLogLevel, pools, profileCpu, profileHeap } = deps;
  app.get('/debug/pool', async () => ({ upstreams: pools() }));
  app.put('/admin/log-level', async ({ body }) => {
    const level = readLevel(body);
    await setLogLevel(level);
    logger.info({ newLevel: level }, 'log level changed by the admin API');
    return { level };
  });
  const profiles = [
    { name: 'cpu', extension: 'cpuprofile', take: profileCpu },
    { name: 'heap', extension: 'heapprofile', take: profileHeap },
  ];
  for (const { name, extension, take } of profiles) {
    app.post<{ Querystring: { seconds?: string } }>(`/admin/profile/${name}`, async ({ query }, reply) => {
      const profile = await take(Number(query.seconds ?? 10));
      reply.header('content-disposition', `attachment; filename="hotpath.${extension}"`);
      return profile;
    });
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
  return reply.status(statusOf[error.code]).send(errorBody(error));
}
