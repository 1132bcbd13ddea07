/**
 * Every route and method of every protocol with every kind of caller: refused or let through exactly as the role says that stands where
 * it is registered. The lists are those of the servers themselves, so that what is added tomorrow is tried too.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import http2, { type ClientHttp2Session } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import type { RouteRole } from '../../src/ports/access.ts';
import { byPath, methodRoles, type PerMethod } from '../../src/protocols/grpc/method-roles.ts';
import { askH2, bodyOf, call, type Headers, rawStatus, requestText } from './support/access-clients.ts';
import { type Guarded, startGuarded } from './support/access-harness.ts';
import { openSession } from './support/grpc-raw.ts';
import { ask, RawConnection, type Reply } from './support/rest-client.ts';

const rank: Readonly<Record<RouteRole, number>> = { public: 0, predict: 1, operate: 2, admin: 3 };

let guarded: Guarded;
let h2: ClientHttp2Session;
let rpc: ClientHttp2Session;
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });

/** By what they may: nothing at all, or up to a role. */
const callers: { readonly name: string; readonly may: number; readonly headers: Headers }[] = [];
/** Credentials that are refused, each for a reason of its own. */
const refused: { readonly name: string; readonly headers: Headers }[] = [];

before(async () => {
  guarded = await startGuarded();
  h2 = http2.connect(guarded.h2cUrl);
  rpc = await openSession(guarded.grpc.port);
  const [predict, operate, admin] = await Promise.all([
    guarded.addKey({ role: 'predict' }),
    guarded.addKey({ role: 'operate' }),
    guarded.addKey({ role: 'admin' }),
  ]);
  const expired = await guarded.addKey({ role: 'admin', expiresMs: 1 });
  const revoked = await guarded.addKey({ role: 'admin' });
  await guarded.revoke(revoked.id);
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  refused.push(
    { name: 'no credentials', headers: {} },
    { name: 'a wrong secret', headers: bearer(`${admin.key.slice(0, -2)}AA`) },
    { name: 'an unknown key', headers: { 'x-api-key': `hp_000000000000_${'A'.repeat(43)}` } },
    { name: 'an expired key', headers: bearer(expired.key) },
    { name: 'a revoked key', headers: { 'x-api-key': revoked.key } },
    { name: 'an expired token', headers: bearer('expired') },
    { name: 'another scheme', headers: { authorization: `Basic ${admin.key}` } },
    { name: 'nothing but a scheme', headers: { authorization: 'Bearer ' } },
    { name: 'two different keys', headers: { ...bearer(admin.key), 'x-api-key': predict.key } },
  );
  callers.push(
    { name: 'no credentials', may: 0, headers: {} },
    { name: 'a wrong key', may: 0, headers: refused[1]!.headers },
    { name: 'predict', may: 1, headers: bearer(predict.key) },
    { name: 'operate', may: 2, headers: { 'x-api-key': operate.key } },
    { name: 'admin', may: 3, headers: bearer(admin.key) },
  );
});

after(async () => {
  agent.destroy();
  h2?.close();
  rpc?.close();
  await guarded?.[Symbol.asyncDispose]();
});

const predictKey = () => callers[2]!.headers;

function pathOf(url: string): string {
  return url.replaceAll(':model', 'demo').replaceAll(':version', '1').replaceAll(/:\w+/g, 'x');
}

function verdictOf(status: number): 'unknown' | 'denied' | 'let through' {
  if (status === 401) return 'unknown';
  return status === 403 ? 'denied' : 'let through';
}

function expectedVerdict(role: RouteRole, may: number): ReturnType<typeof verdictOf> {
  if (may >= rank[role]) return 'let through';
  return may === 0 ? 'unknown' : 'denied';
}

function methods(): readonly (readonly [string, RouteRole])[] {
  return [...byPath(methodRoles as unknown as PerMethod<RouteRole>)].map(([path, , role]) => [path, role]);
}

describe('the roles of all routes', () => {
  const tables = [
    { name: 'REST over HTTP/1.1', table: () => guarded.rest.routes, url: () => guarded.restUrl },
    { name: 'the admin listener', table: () => guarded.admin.routes, url: () => guarded.adminUrl },
  ];
  for (const { name, table, url } of tables) {
    it(`hold for every caller of ${name}`, async () => {
      assert.ok(table().length > 15);
      for (const { method, url: route, role } of table()) {
        for (const { name: caller, may, headers } of callers) {
          const reply = await ask(url() + pathOf(route), { method, headers, agent, ...bodyOf(method) });
          const shown = `${method} ${route} (${role}) by ${caller}: ${reply.status} ${reply.bytes}`;
          assert.equal(verdictOf(reply.status), expectedVerdict(role, may), shown);
        }
      }
    });
  }

  it('hold for every caller of REST over HTTP/2', async () => {
    for (const { method, url, role } of guarded.rest.routes) {
      for (const { name, may, headers } of callers) {
        const { status } = await askH2(h2, pathOf(url), method, headers);
        assert.equal(verdictOf(status), expectedVerdict(role, may), `${method} ${url} by ${name}: ${status}`);
      }
    }
  });

  it('hold for every caller of every gRPC method, reflection and streams included', async () => {
    assert.ok(methods().length >= 16);
    for (const [path, role] of methods()) {
      for (const { name, may, headers } of callers) {
        const status = await call(rpc, path, headers);
        assert.notEqual(status, -1, path);
        const verdict = verdictOf(status === 16 ? 401 : status === 7 ? 403 : 200);
        assert.equal(verdict, expectedVerdict(role, may), `${path} by ${name}: ${status}`);
      }
    }
  });

  it('are public only where a client without credentials has to come', () => {
    const open = (table: Guarded['rest']['routes']) =>
      [...new Set(table.filter(({ role }) => role === 'public').map(({ url }) => url))].sort();
    assert.deepEqual(open(guarded.rest.routes), [
      '/',
      '/.well-known/jwks.json',
      '/docs',
      '/docs/openapi.json',
      '/health',
      '/health/live',
      '/health/ready',
      '/token',
      '/v2/health/live',
      '/v2/health/ready',
    ]);
    assert.deepEqual(open(guarded.admin.routes), []);
    assert.deepEqual(
      methods().flatMap(([path, role]) => (role === 'public' ? [path.split('/')[2]] : [])),
      ['ServerLive', 'ServerReady', 'Check', 'Watch'],
    );
  });

  it('are operate and admin for what changes the server, and for what only its operators should read', () => {
    const beyond = (table: Guarded['rest']['routes'], wanted: RouteRole) =>
      table
        .flatMap(({ method, url, role }) => (role === wanted && method !== 'HEAD' ? [`${method} ${url}`] : []))
        .sort();
    assert.deepEqual(beyond(guarded.rest.routes, 'operate'), [
      'GET /metrics',
      'POST /v2/repository/models/:model/load',
      'POST /v2/repository/models/:model/unload',
    ]);
    assert.deepEqual(beyond(guarded.rest.routes, 'admin'), [
      'GET /v2/logging',
      'GET /v2/models/:model/trace/setting',
      'GET /v2/trace/setting',
      'POST /v2/logging',
      'POST /v2/models/:model/trace/setting',
      'POST /v2/trace/setting',
    ]);
    assert.deepEqual(beyond(guarded.admin.routes, 'predict'), []);
    assert.deepEqual(beyond(guarded.admin.routes, 'admin'), [
      'DELETE /admin/keys/:id',
      'GET /admin/audit',
      'GET /admin/keys',
      'POST /admin/keys',
      'PUT /admin/log-level',
    ]);
    assert.deepEqual(
      methods().flatMap(([path, role]) => (rank[role] > 1 ? [`${path.split('/')[2]} ${role}`] : [])),
      ['RepositoryModelLoad operate', 'RepositoryModelUnload operate'],
    );
  });
});

describe('no spelling of a request goes round them', () => {
  /** What one could hope to be read differently by a check and by a router. */
  const spellings: readonly ((path: string) => string)[] = [
    (path) => `${path}/`,
    (path) => `/${path}`,
    (path) => path.replace('/', '//'),
    (path) => path.replace(/[a-z](?=[^a-z]*$)/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
    (path) => path.replace(/^\/(.)/, (_, letter: string) => `/%${letter.charCodeAt(0).toString(16)}`),
    (path) => path.toUpperCase(),
    (path) => `${path}?x=/health`,
    (path) => `${path}#/health`,
    (path) => `${path};/health`,
    (path) => `${path}%00`,
    (path) => `/health/..${path}`,
    (path) => `/health/%2e%2e${path}`,
    (path) => `/docs/../${path.slice(1)}`,
    (path) => path.replaceAll('/', '\\'),
  ];

  it('however the path is written, nothing is answered without credentials', async () => {
    for (const { rest, admin, restUrl, adminUrl } of [guarded]) {
      for (const [table, url] of [[rest.routes, restUrl] as const, [admin.routes, adminUrl] as const]) {
        for (const { method, url: route, role } of table) {
          if (role === 'public') continue;
          for (const spelling of spellings) {
            const path = spelling(pathOf(route));
            const status = await rawStatus(url, method, path);
            assert.ok([400, 401, 404].includes(status), `${method} ${path}: ${status}`);
          }
        }
      }
    }
  });

  it('whatever the method, and however the host is written', async () => {
    for (const { url: route, role } of guarded.rest.routes) {
      if (role === 'public') continue;
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
        const { hostname, port } = new URL(guarded.restUrl);
        for (const host of [`${hostname}:${port}`, 'LOCALHOST', 'Health']) {
          const status = await rawStatus(guarded.restUrl, method, pathOf(route), [`Host: ${host}`]);
          assert.ok([401, 404].includes(status), `${method} ${route} at ${host}: ${status}`);
        }
      }
    }
  });

  it('absolute URLs and odd framing reach no route without its rule', async () => {
    for (const path of ['/api/v1/predict', '/v2/models/demo/infer', '/v2/repository/index', '/api/v1/models']) {
      const method = path === '/api/v1/models' ? 'GET' : 'POST';
      const absolute = await rawStatus(guarded.restUrl, method, guarded.restUrl + path);
      assert.ok([400, 401, 404].includes(absolute), `${path}: ${absolute}`);
      // These requests are not the lane's.
      for (const header of [
        'TE: trailers',
        'Expect: 100-continue',
        'Keep-Alive: 5',
        'Accept-Encoding: a\r\nAccept-Encoding: b',
      ]) {
        const status = await rawStatus(guarded.restUrl, method, path, ['Host: a', header]);
        assert.equal(status, 401, `${path} with ${header}`);
      }
    }
  });

  it('a request behind an allowed one on the same connection is judged by itself', async () => {
    const body = JSON.stringify({ features: [1, 2] });
    const post = (headers: Headers) => requestText('POST', '/api/v1/models/other/predict', headers, body);
    const get = (headers: Headers) => requestText('GET', '/api/v1/models', headers, '');
    const key = predictKey();
    const connection = new RawConnection(
      guarded.restUrl,
      post(key) + post({}) + post(key) + get(key) + get({}) + post({}) + post({ ...key, connection: 'close' }),
    );
    const statuses = [...(await connection.ended).matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
    assert.deepEqual(statuses, [200, 401, 200, 200, 401, 401, 200]);
  });

  it('gRPC paths are exact: nothing like a method is one', async () => {
    for (const [path, role] of methods()) {
      if (role === 'public') continue;
      for (const other of [`${path}/`, `/${path}`, path.toLowerCase(), path.replace('/M', '/%4d'), `${path}?x`]) {
        if (other === path) continue;
        assert.equal(await call(rpc, other, {}), 12, other);
      }
    }
  });
});

describe('whoever is refused', () => {
  it('learns nothing of the reason: the same answer for all', async () => {
    const places: readonly (readonly [string, (headers: Headers) => Promise<Reply>])[] = [
      ['native, lane', (headers) => ask(`${guarded.restUrl}/api/v1/predict`, { body: '{}', headers })],
      ['native, node', (headers) => ask(`${guarded.restUrl}/api/v1/models`, { headers })],
      ['OIP, lane', (headers) => ask(`${guarded.restUrl}/v2/models/demo/infer`, { body: '{}', headers })],
      ['OIP, node', (headers) => ask(`${guarded.restUrl}/v2`, { headers })],
      ['admin', (headers) => ask(`${guarded.adminUrl}/admin/keys`, { headers })],
      ['HTTP/2', (headers) => askH2(h2, '/api/v1/predict', 'POST', headers)],
    ];
    for (const [place, ask] of places) {
      const bodies = new Set<string>();
      for (const { name, headers } of refused) {
        const reply = await ask(headers);
        assert.equal(reply.status, 401, `${place}: ${name}`);
        assert.equal(reply.headers['www-authenticate'], 'Bearer', place);
        bodies.add(reply.bytes.toString());
      }
      assert.equal(bodies.size, 1, [...bodies].join('\n'));
      const { error } = JSON.parse([...bodies][0]!);
      if (place.startsWith('OIP')) assert.equal(typeof error, 'string');
      else assert.equal(error.code, 'UNAUTHENTICATED');
    }
  });

  it('is not told of a page of another site whether a key is good', async () => {
    const headers = { ...callers[4]!.headers, origin: 'https://elsewhere.example' };
    assert.equal((await ask(`${guarded.adminUrl}/admin/models`, { headers })).status, 400);
  });
});
