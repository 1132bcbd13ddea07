/**
 * API keys and the audit log over the admin listener. The key itself is shown once, in the answer that creates it; lists show neither it
 * nor its hash. Called by admin-server.ts.
 */
import type { FastifyInstance } from 'fastify';
import type { CreatedKey } from '../../core/access/api-key.ts';
import { HotpathError } from '../../core/errors.ts';
import type { Caller, RouteRole } from '../../ports/access.ts';
import { audited } from '../audit.ts';
import type { AdminDeps } from './deps.ts';

const config: { readonly role: RouteRole } = { role: 'admin' };
const defaultEntries = 100;
const maxEntries = 1000;

export function addKeyRoutes(app: FastifyInstance, deps: AdminDeps): void {
  app.post('/admin/keys', { config }, async ({ body, caller }, reply) => {
    const keys = keysOf(deps, caller);
    const target = ({ stored }: CreatedKey) => stored.id;
    const { key, stored } = await audited(deps, caller, 'key.create', target, () => keys.create(body));
    deps.logger.info({ id: stored.id, name: stored.name, role: stored.role }, 'API key created by the admin API');
    return reply
      .status(201)
      .header('cache-control', 'no-store')
      .send({ key, ...keys.describe(stored) });
  });
  app.get('/admin/keys', { config }, async ({ caller }) => ({ keys: await keysOf(deps, caller).list() }));
  app.delete<{ Params: { id: string } }>('/admin/keys/:id', { config }, async ({ params: { id }, caller }) => {
    const keys = keysOf(deps, caller);
    await audited(deps, caller, 'key.revoke', id, () => keys.revoke(id));
    deps.logger.info({ id }, 'API key revoked by the admin API');
    return { revoked: true };
  });
  app.get<{ Querystring: { limit?: string } }>('/admin/audit', { config }, async ({ query }) => {
    const { audit } = deps;
    if (audit === undefined) throw absent('an audit log');
    const entries = await audit.list(readLimit(query.limit));
    return { entries: entries.map(({ createdMs, ...entry }) => ({ at: new Date(createdMs).toISOString(), ...entry })) };
  });
}

/** @throws UNSUPPORTED without keys; PERMISSION_DENIED for callers who could make themselves a key that may more than they. */
function keysOf({ keys }: AdminDeps, caller: Caller | undefined): NonNullable<AdminDeps['keys']> {
  if (keys === undefined) throw absent('API keys');
  if (caller?.models === undefined) return keys;
  throw new HotpathError('PERMISSION_DENIED', 'A caller that is limited to some models cannot manage keys.');
}

function absent(what: string): HotpathError {
  return new HotpathError(
    'UNSUPPORTED',
    `This server has no ${what.replace(/^an? /, '')}: it needs auth "on" and a database.`,
  );
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return defaultEntries;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= maxEntries) return limit;
  throw new HotpathError('INVALID_INPUT', `limit: expected an integer from 1 to ${maxEntries}.`, { field: 'limit' });
}
