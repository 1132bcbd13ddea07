/**
 * The gRPC face of the server: routes the calls of a transport to the methods. Made by the composition root; lifecycle as
 * everywhere: `close()` finishes what was accepted, `destroy()` cuts, both may be called again.
 */
import { HotpathError } from '../../core/errors.ts';
import { type MessageSink, type Method, refuse, ServerCall } from './call.ts';
import { GrpcContext } from './context.ts';
import type { GrpcDeps } from './deps.ts';
import { createH2Transport } from './h2/h2-transport.ts';
import { healthMethods } from './methods/health-methods.ts';
import { modelInfer } from './methods/model-infer.ts';
import { modelMethods } from './methods/model-methods.ts';
import { modelStreamInfer } from './methods/model-stream-infer.ts';
import { reflectionMethod } from './methods/reflection-methods.ts';
import { repositoryMethods } from './methods/repository-methods.ts';
import { serverMethods } from './methods/server-methods.ts';

export interface GrpcServer {
  /** @throws EADDRINUSE and the like. */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Stops listening, answers what was accepted, tells clients to go elsewhere; resolves when all connections have ended. */
  close(): Promise<void>;
  /** Cuts all connections. */
  destroy(): Promise<void>;
}

const services = {
  inference: 'inference.GRPCInferenceService',
  health: 'grpc.health.v1.Health',
  reflection: 'grpc.reflection.v1.ServerReflection',
  reflectionAlpha: 'grpc.reflection.v1alpha.ServerReflection',
} as const;

/** @throws Error when a certificate file cannot be read. */
export function createGrpcServer(deps: GrpcDeps): GrpcServer {
  const context = new GrpcContext(deps);
  const methods = routes(context);
  const transport = createH2Transport(
    deps,
    (stream) => new ServerCall(context, stream, methods.get(stream.path) ?? unknownMethod),
  );
  return {
    async listen() {
      const port = await transport.listen();
      const { host, tlsCert } = deps.config;
      const name = host.includes(':') ? `[${host}]` : host;
      return { url: `${tlsCert === '' ? 'grpc' : 'grpcs'}://${name}:${port}`, port };
    },
    close() {
      context.startClosing();
      return transport.close();
    },
    destroy() {
      context.startClosing();
      return transport.destroy();
    },
  };
}

function routes(context: GrpcContext): ReadonlyMap<string, Method> {
  const all = Object.values(services);
  const byService: Record<string, Readonly<Record<string, Method>>> = {
    [services.inference]: {
      ...serverMethods(context),
      ...modelMethods(context),
      ...repositoryMethods(context),
      ModelInfer: modelInfer,
      ModelStreamInfer: modelStreamInfer,
    },
    [services.health]: healthMethods(context, all),
    [services.reflection]: { ServerReflectionInfo: reflectionMethod('v1', all) },
    [services.reflectionAlpha]: { ServerReflectionInfo: reflectionMethod('v1alpha', all) },
  };
  const paths = Object.entries(byService).flatMap(([service, methods]) =>
    Object.entries(methods).map(([name, method]) => [`/${service}/${name}`, method] as const),
  );
  return new Map(paths);
}

function unknownMethod(call: ServerCall): MessageSink {
  const { telemetry, clock } = call.context.deps;
  telemetry.unroutedRequest('grpc', 'UNSUPPORTED', clock.now() - call.startMs);
  const text = `No method ${call.path.slice(0, 200)}; server reflection lists them.`;
  return refuse(call, new HotpathError('UNSUPPORTED', text));
}
