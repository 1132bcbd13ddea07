/**
 * Which role each HTTP route demands, declared where it is registered (`config: { role }`), and the one hook that demands it. The rule
 * belongs to the route the router has found, never to the text of a URL: no spelling of a path can reach a route without its rule.
 * Used by the REST server, which carries the Open Inference Protocol too, and by the admin listener.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { toHotpathError } from '../core/errors.ts';
import type { AccessGuard, Caller, RouteRole } from '../ports/access.ts';
import { credentialsOf } from './credentials.ts';
import { checkModel } from './model-scope.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    role?: RouteRole;
    /** An inference: its exchange asks the guard itself, because it is counted against its caller's limits. */
    isInference?: boolean;
  }
  interface FastifyRequest {
    /** Who asks; undefined while anybody may, and on public routes. */
    caller?: Caller | undefined;
  }
}

export interface DeclaredRoute {
  readonly method: string;
  readonly url: string;
  readonly role: RouteRole;
}

/** Before the first route. From then on a route without a role cannot be registered. Returns the table, which grows with them. */
export function requireRoles(app: FastifyInstance): readonly DeclaredRoute[] {
  const table: DeclaredRoute[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    const role = (config as { readonly role?: RouteRole } | undefined)?.role;
    if (role === undefined)
      throw new Error(`${String(method)} ${url} declares no role: add config: { role } to the route.`);
    for (const one of [method].flat()) table.push({ method: one, url, role });
  });
  return table;
}

/** Before the first route. Refuses with UNAUTHENTICATED or PERMISSION_DENIED in the form of the route's own errors. */
export function guardRoutes(app: FastifyInstance, access: AccessGuard): void {
  app.decorateRequest('caller', undefined);
  app.addHook('onRequest', (request, _reply, done) => {
    // What no route answers is a 404 for everybody.
    if (request.is404) return done();
    // A route cannot be without a role; if it were, nobody but an administrator should find out.
    const { role = 'admin', isInference = false } = request.routeOptions.config;
    if (role === 'public' || isInference) return done();
    admit(request, access, role).then(() => done(), done);
  });
}

/** Every route that names a model in its URL calls it `:model`. @throws UNAUTHENTICATED, PERMISSION_DENIED. */
async function admit(request: FastifyRequest, access: AccessGuard, role: RouteRole): Promise<void> {
  const caller = await access.identify(credentialsOf(request.headers), role);
  if (caller instanceof Error) throw toHotpathError(caller);
  request.caller = caller;
  const { model } = (request.params ?? {}) as { readonly model?: string };
  if (model !== undefined) checkModel(caller, model);
}
