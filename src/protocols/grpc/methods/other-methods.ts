/**
 * Every method but inference, by its path. A module of its own because of what it brings along: protobuf descriptors cost 8 MB and
 * 60 ms, and a client that only infers never needs them.
 */
import { HotpathError } from '../../../core/errors.ts';
import { type MessageSink, type Method, refuse, type ServerCall } from '../call.ts';
import type { GrpcContext } from '../context.ts';
import { services } from '../services.ts';
import { healthMethods } from './health-methods.ts';
import { modelMethods } from './model-methods.ts';
import { reflectionMethod } from './reflection-methods.ts';
import { repositoryMethods } from './repository-methods.ts';
import { serverMethods } from './server-methods.ts';

/** Paths without a method get one that says so. */
export function otherMethods(context: GrpcContext): (path: string) => Method {
  const all = Object.values(services);
  const byService: Record<string, Readonly<Record<string, Method>>> = {
    [services.inference]: { ...serverMethods(context), ...modelMethods(context), ...repositoryMethods(context) },
    [services.health]: healthMethods(context, all),
    [services.reflection]: { ServerReflectionInfo: reflectionMethod('v1', all) },
    [services.reflectionAlpha]: { ServerReflectionInfo: reflectionMethod('v1alpha', all) },
  };
  const methods: ReadonlyMap<string, Method> = new Map(
    Object.entries(byService).flatMap(([service, one]) =>
      Object.entries(one).map(([name, method]) => [`/${service}/${name}`, method] as const),
    ),
  );
  return (path) => methods.get(path) ?? unknownMethod;
}

function unknownMethod(call: ServerCall): MessageSink {
  const { telemetry, clock } = call.context.deps;
  telemetry.unroutedRequest('grpc', 'UNSUPPORTED', clock.now() - call.startMs);
  const text = `No method ${call.path.slice(0, 200)}; server reflection lists them.`;
  return refuse(call, new HotpathError('UNSUPPORTED', text));
}
