/**
 * The native REST API: Fastify for routing and plugins over a node server with our limits. Made by the composition root, which
 * calls listen, then startDraining, close (finishes what was accepted) and, if that takes too long, destroy.
 */
import type http from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { mayAsk } from '../../core/access/role.ts';
import { fromFramework } from '../framework-errors.ts';
import { notFound } from '../http-errors.ts';
import { type DeclaredRoute, guardRoutes, requireRoles } from '../route-roles.ts';
import { addTokenRoutes } from './access-token.ts';
import { RestContext } from './context.ts';
import type { RestDeps } from './deps.ts';
import { Drain } from './drain.ts';
import { answerClientError, createNodeServer, type NodeServer, requestTimeout } from './http-server.ts';
import { Http1Lane } from './http1/lane.ts';
import { inferenceRouteOf } from './inference-route.ts';
import { wireOf } from './node-wire.ts';
import { addOip } from './oip-mount.ts';
import { addPlainRoutes } from './plain-routes.ts';
import { addPredictRoutes } from './predict-routes.ts';
import { addPredictionRoutes } from './prediction-routes.ts';
import { sendError } from './send-error.ts';

export interface RestServer {
  /** For tests without a socket: `app.inject`. */
  readonly app: FastifyInstance;
  /** Every route with the role it demands; complete once the app is ready. */
  readonly routes: readonly DeclaredRoute[];
  /** @throws EADDRINUSE and the like. */
  listen(): Promise<{ readonly url: string; readonly address: AddressInfo }>;
  /** Answers say `connection: close` from now on; everything is still served. */
  startDraining(): void;
  /** Stops accepting, finishes what was accepted, resolves when all connections have ended. Idempotent. */
  close(): Promise<void>;
  /** Cuts every connection now. Idempotent. */
  destroy(): Promise<void>;
}

export function createRestServer(deps: RestDeps): RestServer {
  const { config, clock } = deps;
  const context = new RestContext(deps);
  const { app, server, routes } = createApp(context);
  const lane = createLane(context, server);
  const drain = new Drain(server, lane, clock);
  return {
    app,
    routes,
    async listen() {
      await app.listen({ host: config.host, port: config.port });
      const address = server.address() as AddressInfo;
      return { url: urlOf(address, config.tlsCert !== ''), address };
    },
    startDraining() {
      context.draining = true;
    },
    async close() {
      context.draining = true;
      await drain.close(() => {
        context.closing = true;
      });
      await app.close();
    },
    async destroy() {
      context.draining = true;
      context.closing = true;
      drain.destroy();
      await app.close();
    },
  };
}

interface App {
  readonly app: FastifyInstance;
  readonly server: NodeServer;
  readonly routes: readonly DeclaredRoute[];
}

function createApp(context: RestContext): App {
  let server!: NodeServer;
  const typed = Fastify({
    logger: false,
    // Ids are made with the answer, not for every request.
    genReqId: () => '',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 256 },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      reply.hijack();
      sendError(context, wireOf(request, reply, context.requestTimeoutMs), fromFramework(error));
    },
    serverFactory: (handler) => {
      server = createNodeServer(context.deps.config, handler, context.deps.clock);
      return server as never;
    },
  });
  const app = typed as unknown as FastifyInstance;
  const { access } = context.deps;
  const routes = requireRoles(app);
  if (access !== undefined) guardRoutes(app, access);
  // Bodies are read by the exchange itself, after it has looked at the headers.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    const startMs = context.deps.clock.now();
    const { code } = sendError(
      context,
      wireOf(request, reply, context.requestTimeoutMs),
      notFound(request.method, request.url),
    );
    context.deps.telemetry.unroutedRequest('rest', code, context.deps.clock.now() - startMs);
  });
  app.setErrorHandler((error, request, reply) => {
    reply.hijack();
    sendError(context, wireOf(request, reply, context.requestTimeoutMs), fromFramework(error));
  });
  addPredictRoutes(app, context);
  addPlainRoutes(app, context);
  addTokenRoutes(app, context);
  addPredictionRoutes(app, context, {
    reader: context.deps.predictions,
    privateAnswers: access !== undefined,
    authorize:
      ({ caller }) =>
      (model) =>
        caller === undefined || mayAsk(caller, model),
  });
  addOip(app, context);
  return { app, server, routes };
}

/** Undefined where HTTP/2 may be spoken: its connections are node's from the first byte. */
function createLane(context: RestContext, server: NodeServer): Http1Lane | undefined {
  const { config, clock } = context.deps;
  if (config.http2 !== 'off') return undefined;
  return new Http1Lane(server as http.Server, config.tlsCert !== '', clock, {
    headersTimeoutMs: config.headersTimeoutMs,
    requestTimeoutMs: config.requestTimeoutMs,
    keepAliveTimeoutMs: config.keepAliveTimeoutMs,
    routeOf: (url) => inferenceRouteOf(context, url),
    refuseSilent: (socket) => answerClientError(requestTimeout, socket),
  });
}

function urlOf({ address, port, family }: AddressInfo, secure: boolean): string {
  const host = family === 'IPv6' ? `[${address}]` : address;
  return `${secure ? 'https' : 'http'}://${host}:${port}`;
}
