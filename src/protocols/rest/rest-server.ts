/**
 * The native REST API: Fastify for routing and plugins over a node server with our limits. Made by the composition root, which
 * calls listen, then startDraining, close (finishes what was accepted) and, if that takes too long, destroy.
 */
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { fromFramework } from '../framework-errors.ts';
import { notFound } from '../http-errors.ts';
import { RestContext } from './context.ts';
import type { RestDeps } from './deps.ts';
import { Drain } from './drain.ts';
import { answerClientError, createNodeServer, type NodeServer } from './http-server.ts';
import { addPlainRoutes } from './plain-routes.ts';
import { addPredictRoutes, shortcutPredict } from './predict-routes.ts';
import { sendError } from './send-error.ts';

export interface RestServer {
  /** For tests without a socket: `app.inject`. */
  readonly app: FastifyInstance;
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
  const { app, server } = createApp(context);
  const drain = new Drain(server, clock);
  return {
    app,
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

function createApp(context: RestContext): { app: FastifyInstance; server: NodeServer } {
  let server!: NodeServer;
  const app = Fastify({
    logger: false,
    // Ids are made with the answer, not for every request.
    genReqId: () => '',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 256 },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      reply.hijack();
      sendError(context, request.raw, reply.raw, fromFramework(error));
    },
    serverFactory: (handler) => {
      server = createNodeServer(context.deps.config, shortcutPredict(context, handler), context.deps.clock);
      return server as never;
    },
  });
  // Bodies are read by the exchange itself, after it has looked at the headers.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.setNotFoundHandler((request, reply) => {
    reply.hijack();
    const startMs = context.deps.clock.now();
    const { code } = sendError(context, request.raw, reply.raw, notFound(request.method, request.url));
    context.deps.telemetry.unroutedRequest('rest', code, context.deps.clock.now() - startMs);
  });
  app.setErrorHandler((error, request, reply) => {
    reply.hijack();
    sendError(context, request.raw, reply.raw, fromFramework(error));
  });
  addPredictRoutes(app as unknown as FastifyInstance, context);
  addPlainRoutes(app as unknown as FastifyInstance, context);
  return { app: app as unknown as FastifyInstance, server };
}

function urlOf({ address, port, family }: AddressInfo, secure: boolean): string {
  const host = family === 'IPv6' ? `[${address}]` : address;
  return `${secure ? 'https' : 'http'}://${host}:${port}`;
}
