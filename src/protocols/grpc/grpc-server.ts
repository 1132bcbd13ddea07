/**
 * The gRPC face of the server: routes the calls of a transport to the methods. Made by the composition root; lifecycle as
 * everywhere: `close()` finishes what was accepted, `destroy()` cuts, both may be called again.
 */
import { type Method, ServerCall } from './call.ts';
import { GrpcContext } from './context.ts';
import { deferred } from './deferred.ts';
import type { GrpcDeps } from './deps.ts';
import { guarded } from './guarded.ts';
import { createH2Transport } from './h2/h2-transport.ts';
import { methodRoles } from './method-roles.ts';
import { modelInfer } from './methods/model-infer.ts';
import { modelStreamInfer } from './methods/model-stream-infer.ts';
import { services } from './services.ts';

export interface GrpcServer {
  /** @throws EADDRINUSE and the like. */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Stops listening, answers what was accepted, tells clients to go elsewhere; resolves when all connections have ended. */
  close(): Promise<void>;
  /** Cuts all connections. */
  destroy(): Promise<void>;
}

/** @throws Error when a certificate file cannot be read. */
export function createGrpcServer(deps: GrpcDeps): GrpcServer {
  const context = new GrpcContext(deps);
  const others = deferred(() => loadOtherMethods(context));
  const transport = createH2Transport(
    deps,
    (stream) => new ServerCall(context, stream, hotMethods.get(stream.path) ?? others),
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

/** The hot methods, written by hand; all others are loaded with the first call that is none of them. */
const hotMethods: ReadonlyMap<string, Method> = new Map([
  [`/${services.inference}/ModelInfer`, modelInfer],
  [`/${services.inference}/ModelStreamInfer`, guarded(methodRoles.inference.ModelStreamInfer, modelStreamInfer)],
]);

async function loadOtherMethods(context: GrpcContext): Promise<(path: string) => Method> {
  const { otherMethods } = await import('./methods/other-methods.ts');
  return otherMethods(context);
}
