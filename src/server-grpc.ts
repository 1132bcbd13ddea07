/**
 * The gRPC listener, its code loaded beside the start of everything else: protobuf descriptors must not delay the first answer over
 * HTTP. Used by server.ts only.
 */

import type { GrpcDeps } from './protocols/grpc/deps.ts';
import type { GrpcServer } from './protocols/grpc/grpc-server.ts';

export interface LazyGrpc {
  /** @throws EADDRINUSE and the like. */
  listen(): Promise<{ readonly url: string }>;
  close(): Promise<void>;
  destroy(): Promise<void>;
}

export function lazyGrpc(deps: GrpcDeps): LazyGrpc {
  let server: Promise<GrpcServer> | undefined;
  return {
    async listen() {
      server = import('./protocols/grpc/grpc-server.ts').then(({ createGrpcServer }) => createGrpcServer(deps));
      return (await server).listen();
    },
    close: async () => (await server)?.close(),
    destroy: async () => (await server)?.destroy(),
  };
}
