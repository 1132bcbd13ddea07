/**
 * All faces of the server behind the real guard: REST over HTTP/1.1 and HTTP/2, gRPC, the admin listener, one registry below them. Keys
 * lie in memory; a bearer token that is no key is verified when a test says so. Counts how often each grant was released.
 */

import { keyCrypto, matchesDigest } from '../../../src/adapters/auth/digest.ts';
import { systemClock } from '../../../src/adapters/system-clock.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/schema.ts';
import type { KeyInput } from '../../../src/core/access/api-key.ts';
import { createAccessGuard } from '../../../src/core/access/guard.ts';
import { createKeyAdmin } from '../../../src/core/access/key-admin.ts';
import { KeyRing } from '../../../src/core/access/key-ring.ts';
import type { IssueToken } from '../../../src/core/access/login.ts';
import { type CredentialFault, faults, unauthenticated } from '../../../src/core/access/refusal.ts';
import { type CheckedToken, TokenMemory } from '../../../src/core/access/token-memory.ts';
import { newTask } from '../../../src/core/tasks/transitions.ts';
import { interpretTabular } from '../../../src/handlers/tabular.ts';
import type { AccessGuard, Grant } from '../../../src/ports/access.ts';
import type { AuditEntry, AuditLog, KeyStore, StoredKey } from '../../../src/ports/key-store.ts';
import { type AdminServer, createAdminServer } from '../../../src/protocols/admin/admin-server.ts';
import type { CacheAdmin } from '../../../src/protocols/admin/cache-routes.ts';
import type { TaskAdmin } from '../../../src/protocols/admin/task-routes.ts';
import type { RestDeps } from '../../../src/protocols/rest/deps.ts';
import { createRestServer, type RestServer } from '../../../src/protocols/rest/rest-server.ts';
import { startGrpc, type TestServer } from './grpc-harness.ts';

export interface Guarded extends AsyncDisposable {
  readonly rest: RestServer;
  readonly restUrl: string;
  readonly h2cUrl: string;
  readonly grpc: TestServer;
  readonly admin: AdminServer;
  readonly adminUrl: string;
  /** Times each grant was released, in the order they were given. */
  readonly releases: readonly number[];
  readonly entries: AuditEntry[];
  /** Undefined: the audit log works. */
  auditFailure: Error | undefined;
  addKey(input: Partial<KeyInput>): Promise<{ readonly key: string; readonly id: string }>;
  revoke(id: string): Promise<void>;
  /** Settles the verification of a token, once it has begun. */
  settle(token: string, outcome: CheckedToken['caller'] | 'refuse'): Promise<void>;
}

/** Without `auth` it is the server as it is when everybody may ask. */
export async function startGuarded({ auth = true }: { readonly auth?: boolean } = {}): Promise<Guarded> {
  const keys = memoryKeys();
  const tokens = heldTokens();
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const clock = systemClock;
  const unixMs = () => Date.now();
  const ring = new KeyRing({ store: keys, clock, unixMs, logger, matchesDigest });
  await ring.start();
  const keyAdmin = createKeyAdmin({ store: keys, crypto: keyCrypto, unixMs, changed: () => ring.refresh() });
  const memory = new TokenMemory({ check: tokens.check, fingerprint: (token) => token, unixMs });
  const guard = createAccessGuard({
    clock,
    unixMs,
    logger,
    keys: ring,
    tokens: memory,
    defaults: {},
    shared: undefined,
  });
  const releases: number[] = [];
  const access = auth ? counting(guard, releases) : undefined;
  const state = { auditFailure: undefined as Error | undefined };
  const entries: AuditEntry[] = [];
  const audit: AuditLog = {
    async append(entry) {
      if (state.auditFailure !== undefined) throw state.auditFailure;
      entries.push(entry);
    },
    list: async (limit) => entries.slice(-limit).reverse(),
  };

  const grpc = await startGrpc({ models: { other: {} }, deps: { access, audit } });
  const config: Config = {
    ...loadConfig({ file: undefined, env: {}, flags: {} }).config,
    port: 0,
    adminPort: 0,
    modelControl: 'explicit',
  };
  const { deps } = grpc;
  const restDeps: RestDeps = {
    ...deps,
    config,
    extensions: [],
    writtenConfig: async () => undefined,
    interpret: interpretTabular,
    metrics: async () => ({ contentType: 'text/plain', body: '' }),
    defaultModel: () => 'demo',
    health: () => ({ ...healthView, optimizations: ['demo 1: fast'], notes: ['demo 1: slow'] }),
    ...(auth ? { issueToken, jwks: async () => ({ keys: [] }) } : {}),
  };
  const rest = createRestServer(restDeps);
  const h2c = createRestServer({ ...restDeps, config: { ...config, http2: 'h2c' } });
  const admin = createAdminServer({
    config,
    logger,
    catalog: deps.catalog,
    setLogLevel: async () => {},
    pools: () => ({ upstreams: [], pools: [] }),
    profileCpu: async () => ({}),
    profileHeap: async () => ({}),
    access,
    audit,
    cache: instantCache,
    tasks: noTasks,
    keys: keyAdmin,
  });
  const [{ url: restUrl }, { url: h2cUrl }, { url: adminUrl }] = await Promise.all([
    rest.listen(),
    h2c.listen(),
    admin.listen(),
  ]);
  return Object.assign(state, {
    rest,
    restUrl,
    h2cUrl,
    grpc,
    admin,
    adminUrl,
    releases,
    entries,
    async addKey({ expiresMs, ...body }: Partial<KeyInput>) {
      const { key, stored } = await keyAdmin.create({ name: 'test', role: 'predict', ...body });
      // Only for the past, which nobody may ask for.
      if (expiresMs !== undefined) await keys.insert({ ...stored, expiresMs });
      await ring.refresh();
      return { key, id: stored.id };
    },
    revoke: (id: string) => keyAdmin.revoke(id),
    settle: tokens.settle,
    async [Symbol.asyncDispose]() {
      ring.close();
      await Promise.all([rest.destroy(), h2c.destroy(), admin.destroy()]);
      await grpc[Symbol.asyncDispose]();
    },
  });
}

const quietWindow = { seconds: 10, requestsPerSecond: 0, errorsPerSecond: 0, rowsPerSecond: 0 };
const noTimes = { p50Ms: null, p95Ms: null, p99Ms: null, meanBatchRows: null };
const healthView = {
  state: 'ready' as const,
  version: '1.2.3',
  uptimeSeconds: 1,
  memory: { rssBytes: 1, heapUsedBytes: 1 },
  performance: { last10s: { ...quietWindow, ...noTimes }, last60s: { ...quietWindow, ...noTimes } },
};

const issueToken: IssueToken = async (username, password) =>
  username === 'ann' && password === 'secret'
    ? { access_token: 'a.b.c', token_type: 'Bearer', expires_in: 900 }
    : unauthenticated();

function memoryKeys(): KeyStore {
  const stored = new Map<string, StoredKey>();
  return {
    list: async () => [...stored.values()],
    revision: async () => '1',
    insert: async (key) => void stored.set(key.id, key),
    async revoke(id, revokedMs) {
      const key = stored.get(id);
      if (key === undefined || key.revokedMs !== undefined) return false;
      stored.set(id, { ...key, revokedMs });
      return true;
    },
  };
}

/** Verifications that take until the test has decided. */
function heldTokens() {
  const waiting = new Map<string, PromiseWithResolvers<CheckedToken | CredentialFault>>();
  const slotOf = (token: string) => {
    const slot = waiting.get(token) ?? Promise.withResolvers<CheckedToken | CredentialFault>();
    waiting.set(token, slot);
    return slot;
  };
  return {
    check: (token: string) => (token === 'expired' ? Promise.resolve(faults['expired-token']) : slotOf(token).promise),
    async settle(token: string, outcome: CheckedToken['caller'] | 'refuse') {
      const untilMs = Date.now() + 60_000;
      slotOf(token).resolve(outcome === 'refuse' ? faults['bad-signature'] : { caller: outcome, untilMs });
      // What waits for it goes on in promises.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

function counting(guard: AccessGuard, releases: number[]): AccessGuard {
  const count = (answer: Grant | Error): Grant | Error => {
    if (answer instanceof Error) return answer;
    const at = releases.push(0) - 1;
    const release = () => {
      releases[at]!++;
      answer.release();
    };
    return { caller: answer.caller, headers: answer.headers, release };
  };
  return {
    enter(credentials, role) {
      const answer = guard.enter(credentials, role);
      return answer instanceof Promise ? answer.then(count) : count(answer);
    },
    identify: (credentials, role) => guard.identify(credentials, role),
  };
}

const instantCache = {
  status: async () => ({}),
  invalidate: async () => ({ memory: 0 }),
  warm: async () => {
    const status = { state: 'done', model: 'demo', version: '1' };
    return { status: () => status, result: Promise.resolve(status), cancel() {} };
  },
} as unknown as CacheAdmin;

const noTasks: TaskAdmin = {
  optimize: async (model) => newTask({ id: 'x', kind: 'optimize', model, version: '1', createdMs: 0, request: {} }),
  list: async () => [],
  find: async () => undefined,
  report: async () => undefined,
  cancel: async () => undefined,
  register: async () => ({ version: '2', wasThere: false, served: false, note: '' }),
};
