/** ServerLive, ServerReady, ServerMetadata. */
import { serverMetadata } from '../../oip/server-metadata.ts';
import { type Method, unary } from '../call.ts';
import type { GrpcContext } from '../context.ts';
import { writeMessage } from '../messages.ts';
import type { MethodsOf } from '../method-roles.ts';

type Methods = Pick<MethodsOf<'inference', Method>, 'ServerLive' | 'ServerReady' | 'ServerMetadata'>;

export function serverMethods({ deps }: GrpcContext): Methods {
  const { version, control, extensions, health } = deps;
  return {
    ServerLive: unary(async () => writeMessage('inference.ServerLiveResponse', { live: true })),
    ServerReady: unary(async () =>
      writeMessage('inference.ServerReadyResponse', { ready: health().state === 'ready' }),
    ),
    ServerMetadata: unary(async () =>
      writeMessage('inference.ServerMetadataResponse', serverMetadata(version, control, extensions)),
    ),
  };
}
