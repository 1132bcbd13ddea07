/** The rules of ARCHITECTURE.md on the real source: each offence is printed as file:line with the line itself. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix } from 'node:path';
import { describe, it } from 'node:test';
import { listFiles, root } from './architecture/files.ts';
import { type FoundImport, findImports } from './architecture/imports.ts';
import {
  type Column,
  columns,
  layers,
  ownedPackages,
  type Permission,
  renderLayerTable,
  roomOf,
  sharedFolders,
} from './architecture/layers.ts';

const maxLines = 300;

interface SourceFile {
  /** Below src, e.g. `core/batching/batcher.ts`. */
  readonly path: string;
  readonly imports: readonly FoundImport[];
}

interface Edge extends FoundImport {
  readonly from: string;
  /** Path below src, or undefined for node: and npm. */
  readonly to: string | undefined;
}

/** Helpers of tests may do as tests do. */
function isTestFile(path: string): boolean {
  return path.endsWith('.test.ts') || path.includes('/testing/');
}

const allPaths = listFiles('src', '.ts').map((path) => path.slice('src/'.length));
const sources: SourceFile[] = allPaths
  .filter((path) => !isTestFile(path))
  .map((path) => ({ path, imports: findImports(readFileSync(join(root, 'src', path), 'utf8')) }));

function resolve(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : undefined;
}

const edges: Edge[] = sources.flatMap(({ path, imports }) =>
  imports.map((found) => ({ ...found, from: path, to: resolve(path, found.specifier) })),
);

/** `adapters/redis` of `adapters/redis/store.ts`; `adapters` of a file directly in its room, which its folders share. */
function folderOf(path: string): string {
  return posix.dirname(path).split('/').slice(0, 2).join('/');
}

function isAllowed(permission: Permission | undefined, { from, to, typeOnly }: Edge): boolean {
  if (permission === 'yes') return true;
  if (permission === 'types') return typeOnly;
  if (permission === undefined || to === undefined) return false;
  if (permission === 'own') {
    return (
      [folderOf(from), roomOf(from)].includes(folderOf(to)) ||
      sharedFolders.some((folder) => to.startsWith(`${folder}/`))
    );
  }
  return typeOnly || permission.some((open) => to === `${open}.ts` || to.startsWith(`${open}/`));
}

function offenceOf(edge: Edge): string | undefined {
  const { from, to, specifier } = edge;
  const room = roomOf(from);
  const layer = layers[room];
  const say = (why: string) => `src/${from}:${edge.line}: ${why}\n    ${edge.text}`;
  if (layer === undefined) return say(`the room "${room}" is not in test/architecture/layers.ts`);
  if (to === undefined) {
    if (!isAllowed(layer['node and npm'], edge)) return say(`${room} must not import ${specifier}`);
    return isBuiltin(specifier) && !specifier.startsWith('node:') ? say(`write node:${specifier}`) : undefined;
  }
  const target = roomOf(to);
  if (target === room && layer[target as Column] === undefined) return undefined;
  if (!columns.includes(target as Column)) return say(`${room} must not import ${target}`);
  return isAllowed(layer[target as Column], edge) ? undefined : say(`${room} must not import ${to}`);
}

function isPackage(specifier: string, name: string): boolean {
  return specifier === name || specifier.startsWith(`${name}/`);
}

/** The first cycle of run-time imports, as a chain of files. */
function findCycle(): readonly string[] | undefined {
  const targets = new Map<string, string[]>();
  for (const { from, to, typeOnly } of edges) {
    if (to !== undefined && !typeOnly) targets.set(from, [...(targets.get(from) ?? []), to]);
  }
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): readonly string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (finished.has(path)) return undefined;
    for (const next of targets.get(path) ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle !== undefined) return cycle;
    }
    finished.add(path);
    return undefined;
  };
  for (const path of targets.keys()) {
    const cycle = visit(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

describe('the import finder', () => {
  it('sees every form of import, and whether it is for types only', () => {
    const source = `// import x from 'commented';
import a, { b } from './a.ts';
import type { C } from './c.ts';
import { type D, type E } from './d.ts';
import { type F, g } from './f.ts';
import * as h from "node:fs";
import './side-effect.ts';
export { i } from './i.ts';
export type { J } from './j.ts';
export * from './k.ts';
const text = "import z from 'quoted'";
const template = \`import z from 'template'\`;
const lazy = await import('./lazy.ts');
type T = import('./t.ts').Thing;
import {
  many,
} from './many.ts';`;
    assert.deepEqual(
      findImports(source)
        .sort((a, b) => a.line - b.line)
        .map(({ specifier, typeOnly, line }) => [line, specifier, typeOnly]),
      [
        [2, './a.ts', false],
        [3, './c.ts', true],
        [4, './d.ts', true],
        [5, './f.ts', false],
        [6, 'node:fs', false],
        [7, './side-effect.ts', false],
        [8, './i.ts', false],
        [9, './j.ts', true],
        [10, './k.ts', false],
        [13, './lazy.ts', false],
        [14, './t.ts', true],
        [15, './many.ts', false],
      ],
    );
  });
});

describe('the layer rules', () => {
  const edge = (from: string, specifier: string, typeOnly = false): Edge => ({
    from,
    specifier,
    typeOnly,
    to: resolve(from, specifier),
    line: 1,
    text: '',
  });

  it('refuse what the table forbids and allow what it allows', () => {
    const forbidden = [
      edge('core/infer.ts', 'node:fs'),
      edge('core/infer.ts', 'fastify'),
      edge('core/infer.ts', '../ports/clock.ts'),
      edge('core/infer.ts', '../config/schema.ts', true),
      edge('protocols/rest/app.ts', '../grpc/server.ts'),
      edge('protocols/rest/app.ts', '../../engines/onnx/engine.ts'),
      edge('protocols/rest/app.ts', '../../config/load.ts'),
      edge('adapters/redis/store.ts', '../sqlite/store.ts'),
      edge('engines/onnx/session.ts', '../../server.ts'),
      edge('training/forest.ts', '../core/registry/catalog.ts'),
      edge('onnx-file/decode.ts', '../core/infer.ts'),
      edge('onnx-file/decode.ts', 'node:fs'),
      edge('observability/metrics.ts', '../cli/worker-link.ts', true),
      edge('adapters/redis/store.ts', 'fs'),
      edge('client/retry.ts', 'node:timers'),
      edge('client/retry.ts', '../core/tensor.ts'),
      edge('client/client.ts', './node-grpc.ts'),
      edge('core/infer.ts', '../client/retry.ts'),
      edge('attic/thing.ts', './other.ts'),
    ];
    const allowed = [
      edge('core/infer.ts', '../ports/clock.ts', true),
      edge('core/infer.ts', './batching/batcher.ts'),
      edge('protocols/rest/app.ts', '../codecs/json.ts'),
      edge('protocols/rest/app.ts', './errors.ts'),
      edge('protocols/rest/app.ts', '../in-flight.ts'),
      edge('protocols/rest/app.ts', 'fastify'),
      edge('engines/onnx/session.ts', 'node:worker_threads'),
      edge('training/forest.ts', '../core/tensor.ts'),
      edge('server.ts', './engines/onnx/engine.ts'),
      edge('server-health.ts', './cli/server-contract.ts'),
      edge('cli/serve.ts', '../server.ts'),
      edge('client/retry.ts', '../core/tensor.ts', true),
      edge('client/node-grpc.ts', './retry.ts'),
      edge('client/node-grpc.ts', './node-protobuf.ts'),
      edge('client/node-grpc.ts', 'node:http2'),
    ];
    assert.deepEqual(
      forbidden.filter((each) => offenceOf(each) === undefined),
      [],
    );
    assert.deepEqual(
      allowed.map(offenceOf).filter((each) => each !== undefined),
      [],
    );
  });

  it('hold in every file', () => {
    assert.ok(edges.length > 0);
    const offences = edges.map(offenceOf).filter((offence) => offence !== undefined);
    assert.equal(offences.join('\n'), '');
  });

  it('keep each heavy package behind one door', () => {
    const offences = edges.filter(({ from, specifier }) =>
      Object.entries(ownedPackages).some(
        ([name, folder]) => isPackage(specifier, name) && !from.startsWith(`${folder}/`),
      ),
    );
    assert.deepEqual(
      offences.map(({ from, line, text }) => `src/${from}:${line}: ${text}`),
      [],
    );
  });

  it('lead nowhere in a circle', () => {
    assert.equal(findCycle()?.join(' -> '), undefined);
  });

  it('point only at files that exist', () => {
    const missing = edges.filter(({ to }) => to !== undefined && !existsSync(join(root, 'src', to)));
    assert.deepEqual(
      missing.map(({ from, line, text }) => `src/${from}:${line}: ${text}`),
      [],
    );
  });

  it('stand in ARCHITECTURE.md as they are checked', () => {
    const page = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
    assert.ok(
      page.includes(renderLayerTable()),
      'run npm run docs: the layer table differs from test/architecture/layers.ts',
    );
  });
});

describe('files', () => {
  it(`have at most ${maxLines} lines`, () => {
    const long = [...allPaths.map((path) => `src/${path}`), ...listFiles('test', '.ts')]
      .map((path) => ({ path, lines: readFileSync(join(root, path), 'utf8').trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > maxLines);
    assert.deepEqual(long, []);
  });

  it('have kebab-case names', () => {
    const names = [...allPaths, ...listFiles('test', '.ts').map((path) => path.slice('test/'.length))];
    assert.deepEqual(
      names.filter((path) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)?(\.test)?\.ts$/.test(path)),
      [],
    );
  });

  it('say at the top what they are', () => {
    const silent = sources
      .map(({ path }) => path)
      .filter((path) => !/^(#![^\n]*\n)?\/\*\*/.test(readFileSync(join(root, 'src', path), 'utf8')));
    assert.deepEqual(silent, []);
  });
});
