/** The OpenAPI document against the real routes: nothing undocumented, nothing promised that is not there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settings } from '../../src/config/schema.ts';
import { createRestServer } from '../../src/protocols/rest/rest-server.ts';
import { modelFolder, serve, storeIris } from '../e2e/support/serve.ts';
import { ask, jsonOf } from './support/rest-client.ts';

/** `METHOD /path/{name}` of every route that the server has registered, read from Fastify itself. */
async function registeredRoutes(): Promise<Set<string>> {
  const config = Object.fromEntries(Object.entries(settings).map(([name, { default: value }]) => [name, value]));
  const { app } = createRestServer({ config, clock: { now: () => 0 } } as never);
  await app.ready();
  const routes = new Set<string>();
  const parents: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const match = /^([\s│]*)[├└]── (\S*?)(?: \(([A-Z, ]+)\))?$/.exec(line);
    if (match === null) continue;
    const depth = match[1]!.length / 4;
    parents.length = depth;
    parents.push(match[2]!);
    const path = parents.join('').replaceAll(/:(\w+)/g, '{$1}');
    // The Open Inference Protocol has a document of its own, its specification.
    if (path === '/v2' || path.startsWith('/v2/')) continue;
    for (const method of match[3]?.split(', ') ?? []) if (method !== 'HEAD') routes.add(`${method} ${path}`);
  }
  return routes;
}

test('the OpenAPI document lists every route, and every route in it is there', async (context) => {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models);
  context.after(() => server.stop());
  const registered = await registeredRoutes();
  assert.ok(registered.has('POST /api/v1/models/{model}/versions/{version}/predict'), [...registered].join('; '));
  const reply = await ask(`${server.url}/docs/openapi.json`);
  assert.equal(reply.status, 200);
  const document = jsonOf(reply);
  assert.match(String(document.openapi), /^3\./);
  const documented = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item as object)
      .filter((method) => /^(get|post|put|patch|delete)$/.test(method))
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(documented.sort(), [...registered].sort());
});

test('the documentation page is served without anything from elsewhere', async (context) => {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models);
  context.after(() => server.stop());
  const page = await ask(`${server.url}/docs`);
  assert.equal(page.status, 200);
  assert.match(String(page.headers['content-type']), /^text\/html/);
  const html = page.bytes.toString();
  assert.match(html, /openapi\.json|\/api\/v1\/predict/);
  assert.doesNotMatch(html, /(?:src|href)=["'](?:https?:)?\/\//);
});
