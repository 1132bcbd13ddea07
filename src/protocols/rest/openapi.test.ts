import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { Script } from 'node:vm';
import Fastify from 'fastify';
import { type ErrorCode, errorCodes } from '../../core/errors.ts';
import { statusOf } from '../http-errors.ts';
import { requireRoles } from '../route-roles.ts';
import { addTokenRoutes } from './access-token.ts';
import { readTokenRequest } from './access-token-request.ts';
import { docsPage, docsPolicy } from './docs-page.ts';
import { docsScript } from './docs-script.ts';
import { openApi } from './openapi.ts';
import { linesExample } from './openapi-examples.ts';
import type { Media, Operation, PathItem, Response, Schema } from './openapi-types.ts';
import { addPlainRoutes } from './plain-routes.ts';
import { readPredictBody } from './predict-body.ts';
import { addPredictRoutes } from './predict-routes.ts';
import { addPredictionRoutes } from './prediction-routes.ts';

interface Document {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, PathItem>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly responses: Readonly<Record<string, Response>>;
  };
}

/** As a client gets it. */
const document = JSON.parse(JSON.stringify(openApi('1.2.3', { auth: false, issuesTokens: false }))) as Document;

const operations: readonly (Operation & { readonly route: string })[] = Object.entries(document.paths).flatMap(
  ([path, item]) => Object.entries(item).map(([method, operation]) => ({ ...operation, route: `${method} ${path}` })),
);

function registeredRoutes(): string[] {
  const routes: string[] = [];
  const app = Fastify({ exposeHeadRoutes: false });
  app.addHook('onRoute', ({ method, url }) => {
    routes.push(`${String(method).toLowerCase()} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
  });
  // Nothing is called, so nothing of the context is needed.
  const context = { deps: {} } as never;
  addPredictRoutes(app, context);
  addPlainRoutes(app, context);
  addPredictionRoutes(app, context, {} as never);
  return routes;
}

function resolve(reference: string): unknown {
  assert.match(reference, /^#\//);
  return reference
    .slice(2)
    .split('/')
    .reduce((at: unknown, key) => (at as Record<string, unknown> | undefined)?.[key], document);
}

/** Every value below `node` that has the key. */
function collect(node: unknown, key: string, found: unknown[] = []): unknown[] {
  if (typeof node !== 'object' || node === null) return found;
  for (const [name, value] of Object.entries(node)) {
    if (name === key) found.push(value);
    collect(value, key, found);
  }
  return found;
}

/** Enough of JSON Schema for our own document: the first offence as `path: why`, or undefined. */
function offence(schema: Schema, value: unknown, path = '$'): string | undefined {
  if (schema.$ref !== undefined) return offence(resolve(schema.$ref) as Schema, value, path);
  if (schema.anyOf?.every((choice) => offence(choice, value, path) !== undefined)) return `${path}: fits no choice`;
  if (schema.enum !== undefined && !schema.enum.includes(value as string)) return `${path}: not in ${schema.enum}`;
  if (schema.type !== undefined && ![schema.type].flat().some((type) => isOfType(type, value))) {
    return `${path}: not ${schema.type}`;
  }
  if (Array.isArray(value)) {
    const { items = {} } = schema;
    return firstOf(value.map((item, index) => offence(items, item, `${path}[${index}]`)));
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const missing = schema.required?.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) return `${path}: no ${missing}`;
  return firstOf(
    Object.entries(value).map(([name, field]) => {
      // Answers are listed completely, so a field that is not described is an offence too.
      const others = schema.additionalProperties ?? schema.properties === undefined;
      const known = schema.properties?.[name] ?? others;
      if (known === false) return `${path}.${name}: unknown`;
      return known === true ? undefined : offence(known, field, `${path}.${name}`);
    }),
  );
}

function firstOf(offences: readonly (string | undefined)[]): string | undefined {
  return offences.find((found) => found !== undefined);
}

function isOfType(type: string, value: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

function contentsOf(operation: Operation): Readonly<Record<string, Media>>[] {
  const answers = Object.values(operation.responses).map((answer) => {
    return ('$ref' in answer ? (resolve(answer.$ref) as Response) : answer).content ?? {};
  });
  return [operation.requestBody?.content ?? {}, ...answers];
}

describe('the OpenAPI document', () => {
  it('is of version 3.1 and carries the version of the server', () => {
    assert.match(document.openapi, /^3\.1\./);
    assert.equal(document.info.version, '1.2.3');
  });

  it('describes exactly the routes that are registered', () => {
    assert.deepEqual(operations.map(({ route }) => route).sort(), registeredRoutes().sort());
  });

  it('declares the path parameters of each path, and no others', () => {
    for (const { route, parameters = [] } of operations) {
      const declared = parameters.map(({ $ref }) => resolve($ref) as { name: string; in: string });
      const inPath = declared.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
      assert.deepEqual(
        inPath,
        [...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
        route,
      );
    }
  });

  it('has only references that lead somewhere', () => {
    const references = collect(document, '$ref') as string[];
    assert.ok(references.length > 100);
    for (const reference of references) assert.notEqual(resolve(reference), undefined, reference);
  });

  it('gives each operation its own id and a declared tag', () => {
    const ids = operations.map(({ operationId }) => operationId);
    assert.equal(new Set(ids).size, ids.length);
    const known = document.tags.map(({ name }) => name);
    for (const { tags, route } of operations) assert.ok(known.includes(tags[0]!), route);
  });

  it('lists every error code with its status, and an example of each under that status', () => {
    const codes = Object.keys(errorCodes) as ErrorCode[];
    assert.deepEqual(document.components.schemas.ErrorCode!.enum, codes);
    for (const code of codes) {
      const response = document.components.responses[`Error${statusOf[code]}`];
      const example = response?.content?.['application/json']?.examples?.[code];
      const { error } = example!.value as { error: { code: string } };
      assert.equal(error.code, code);
    }
    const predict = document.paths['/api/v1/predict']!.post!;
    for (const code of codes) assert.ok(predict.responses[statusOf[code]], code);
  });

  it('has examples that fit their schemas', () => {
    let checked = 0;
    for (const operation of operations) {
      for (const [type, { schema, examples }] of contentsOf(operation).flatMap(Object.entries<Media>)) {
        if (type !== 'application/json') continue;
        for (const { value } of Object.values(examples ?? {})) {
          assert.equal(offence(schema!, value), undefined, `${operation.route}: ${JSON.stringify(value)}`);
          checked++;
        }
      }
    }
    assert.ok(checked > 50);
  });

  it('has request examples that the server takes', () => {
    const kinds = {
      'post /api/v1/predict': ['features', 'inputs'],
      'post /api/v1/predict/batch': ['instances'],
    } as const;
    for (const { route, requestBody } of operations) {
      if (requestBody === undefined) continue;
      const taken = kinds[route as keyof typeof kinds] ?? ['features', 'inputs', 'instances'];
      for (const { value } of Object.values(requestBody.content['application/json']!.examples!)) {
        const body = readPredictBody(value, taken, 10);
        assert.deepEqual(body.payload, (value as Record<string, unknown>)[body.kind], route);
      }
    }
  });

  it('has lines of a streamed answer that are JSON, one row each', () => {
    const lines = String(linesExample.lines!.value)
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    for (const line of lines) assert.equal(offence(document.components.schemas.PredictionLine!, line), undefined);
    assert.equal((lines.at(-1) as { count: number }).count, lines.length - 1);
  });
});

describe('the OpenAPI document of a server with auth', () => {
  const guarded = JSON.parse(JSON.stringify(openApi('1.2.3', { auth: true, issuesTokens: true }))) as Document & {
    readonly security: readonly Readonly<Record<string, unknown>>[];
    readonly components: { readonly securitySchemes: Readonly<Record<string, unknown>> };
  };
  const stub = async () => ({});

  it('asks for credentials exactly where the registered role is not public', () => {
    const app = Fastify({ exposeHeadRoutes: false });
    const routes = requireRoles(app);
    const context = { deps: { issueToken: stub, jwks: stub } } as never;
    addPredictRoutes(app, context);
    addPlainRoutes(app, context);
    addTokenRoutes(app, context);
    addPredictionRoutes(app, context, {} as never);
    const listed = Object.entries(guarded.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, { security, responses }]) => {
        const isOpen = security?.length === 0;
        if (!isOpen) assert.ok(responses[401] && responses[403], path);
        return `${method} ${path} ${isOpen}`;
      }),
    );
    const registered = routes.map(({ method, url, role }) => {
      return `${method.toLowerCase()} ${url.replaceAll(/:(\w+)/g, '{$1}')} ${role === 'public'}`;
    });
    assert.deepEqual(listed.sort(), registered.sort());
  });

  it('names its schemes, and all references lead somewhere', () => {
    for (const scheme of guarded.security.flatMap(Object.keys)) assert.ok(scheme in guarded.components.securitySchemes);
    for (const reference of collect(guarded, '$ref') as string[]) {
      const [, , kind, name] = reference.split('/');
      const parts = (guarded.components as unknown as Record<string, Record<string, unknown>>)[kind!];
      assert.notEqual(parts?.[name!], undefined, reference);
    }
  });

  it('has an example of a token request that the server takes', () => {
    const { content } = guarded.paths['/token']!.post!.requestBody!;
    const { value } = content['application/json']!.examples!.ann!;
    const read = readTokenRequest('application/json', new TextEncoder().encode(JSON.stringify(value)));
    assert.deepEqual(read, value);
  });
});

describe('the documentation page', () => {
  it('allows exactly its own style and script by hash', () => {
    for (const tag of ['script', 'style']) {
      const inline = [...docsPage.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, 'g'))];
      assert.equal(inline.length, 1, tag);
      const hash = createHash('sha256').update(inline[0]![1]!).digest('base64');
      assert.ok(docsPolicy.includes(`${tag}-src 'sha256-${hash}'`), tag);
    }
    assert.doesNotMatch(docsPolicy, /unsafe|\*/);
  });

  it('has neither inline handlers nor style attributes, which the policy would block', () => {
    assert.doesNotMatch(docsPage.replace(docsScript, ''), /\s(?:on\w+|style)=/);
  });

  it('has a script that parses and never writes HTML', () => {
    assert.doesNotThrow(() => new Script(docsScript));
    assert.doesNotMatch(docsScript, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b/);
  });

  it('prefills the form with a request that the server takes', () => {
    const [, prefilled] = /<textarea[^>]*>([^<]*)<\/textarea>/.exec(docsPage)!;
    const body = readPredictBody(JSON.parse(prefilled!), ['features', 'inputs'], 10);
    assert.deepEqual(body.payload, [5.1, 3.5, 1.4, 0.2]);
  });
});
