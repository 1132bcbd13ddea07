/** Puts the Open Inference Protocol beside the native API, on the same listener and with the same headers and limits. */
import type { FastifyInstance } from 'fastify';
import { addOipRoutes } from '../oip/oip-routes.ts';
import type { RestContext } from './context.ts';
import { wireOf } from './node-wire.ts';
import { OipExchange } from './oip-exchange.ts';
import { requestIdOf } from './request-id.ts';

export function addOip(app: FastifyInstance, context: RestContext): void {
  const { deps } = context;
  const { config } = deps;
  // Only for what Fastify itself answers: the descriptive routes of this protocol.
  app.addHook('onSend', (request, reply, payload, done) => {
    reply.header('x-request-id', requestIdOf(wireOf(request, reply, 0)));
    if (context.draining && request.raw.httpVersionMajor === 1) reply.header('connection', 'close');
    done(null, payload);
  });
  addOipRoutes(app, {
    catalog: deps.catalog,
    loadOverride: deps.loadOverride,
    warm: deps.warm,
    writtenConfig: deps.writtenConfig,
    extensions: deps.extensions,
    version: deps.version,
    logger: deps.logger,
    telemetry: deps.telemetry,
    health: deps.health,
    statistics: deps.statistics,
    control: config.modelControl,
    logLevel: deps.logLevel,
    setLogLevel: deps.setLogLevel,
    audit: deps.audit,
    limits: config,
    exchange: (request, reply, target) => {
      reply.hijack();
      new OipExchange(context, wireOf(request, reply, context.requestTimeoutMs), target).start();
    },
  });
}
