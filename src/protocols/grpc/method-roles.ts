/**
 * Which role each gRPC method demands. other-methods.ts builds its table from the same names, so that a method without a role, or a
 * role without a method, fails the build. What a server says of its own health is public, as load balancers have no credentials.
 */
import type { RouteRole } from '../../ports/access.ts';
import { services } from './services.ts';

type ServiceName = keyof typeof services;

export const methodRoles = {
  inference: {
    ServerLive: 'public',
    ServerReady: 'public',
    ServerMetadata: 'predict',
    ModelReady: 'predict',
    ModelMetadata: 'predict',
    ModelInfer: 'predict',
    ModelStreamInfer: 'predict',
    ModelConfig: 'predict',
    ModelStatistics: 'predict',
    RepositoryIndex: 'predict',
    RepositoryModelLoad: 'operate',
    RepositoryModelUnload: 'operate',
  },
  health: { Check: 'public', Watch: 'public' },
  // The names of all methods are published, but scanners need not be told that they are here.
  reflection: { ServerReflectionInfo: 'predict' },
  reflectionAlpha: { ServerReflectionInfo: 'predict' },
} as const satisfies Record<ServiceName, Readonly<Record<string, RouteRole>>>;

type MethodRoles = typeof methodRoles;

/** One thing for each method of each service. */
export type PerMethod<T> = { readonly [S in ServiceName]: { readonly [M in keyof MethodRoles[S]]: T } };

/** Of one service. */
export type MethodsOf<S extends ServiceName, T> = PerMethod<T>[S];

/** `/package.Service/Method` with what it has. */
export function* byPath<T>(all: PerMethod<T>): Generator<readonly [path: string, value: T, role: RouteRole]> {
  for (const service of Object.keys(methodRoles) as ServiceName[]) {
    const roles: Readonly<Record<string, RouteRole>> = methodRoles[service];
    const values = all[service] as Readonly<Record<string, T>>;
    for (const [name, role] of Object.entries(roles)) yield [`/${services[service]}/${name}`, values[name]!, role];
  }
}
