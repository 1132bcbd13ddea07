/**
 * Every method but inference, by its path. A module of its own because of what it brings along: protobuf descriptors cost 8 MB and
 * 60 ms, and a client that only infers never needs them.
 */
import { HotpathError } from '../../../core/errors.ts';
import { type MessageSink, type Method, refuse, type ServerCall } from '../call.ts';
import type { GrpcContext } from '../context.ts';
import { guarded } from '../guarded.ts';
import { byPath, type PerMethod } from '../method-roles.ts';
import { services } from '../services.ts';
import { healthMethods } from './health-methods.ts';
import { modelInfer } from './model-infer.ts';
import { modelMethods } from './model-methods.ts';
import { modelStreamInfer } from './model-stream-infer.ts';
import { reflectionMethod } from './reflection-methods.ts';
import { repositoryMethods } from './repository-methods.ts';
import { serverMethods } from './server-methods.ts';

/** Paths without a method get one that says so. */
export function otherMethods(context: GrpcContext): (path: string) => Method {
  const all = Object.values(services);
  const byService: PerMethod<Method> = {
    inference: {
      ...serverMethods(context),
      ...modelMethods(context),
      ...repositoryMethods(context),
      // grpc-server.ts answers these two itself; here they only complete the table.
      ModelInfer: modelInfer,
      ModelStreamInfer: modelStreamInfer,
    },
    health: healthMethods(context, all),
    reflection: { ServerReflectionInfo: reflectionMethod('v1', all) },
    reflectionAlpha: { ServerReflectionInfo: reflectionMethod('v1alpha', all) },
  };
  const methods = new Map<string, Method>();
  for (const [path, method, role] of byPath(byService)) methods.set(path, guarded(role, method));
  return (path) => methods.get(path) ?? unknownMethod;
}

function unknownMethod(call: ServerCall): MessageSink {
  const { telemetry, clock } = call.context.deps;
  telemetry.unroutedRequest('grpc', 'UNSUPPORTED', clock.now() - call.startMs);
  const text = `No method ${call.path.slice(0, 200)}; server reflection lists them.`;
  return refuse(call, new HotpathError('UNSUPPORTED', text));
}
