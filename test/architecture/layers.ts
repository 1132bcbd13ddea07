/**
 * Who may import whom, as data: checked by test/architecture.test.ts and printed as the table in ARCHITECTURE.md by
 * `npm run docs`. A change here is a decision and goes to docs/decisions/.
 */

/**
 * `yes`; `types` (only `import type`); `own` (only the same folder of that room, e.g. adapters/redis); or the modules that are
 * open, as paths below src without extension (`core/tensor`), a folder standing for everything in it.
 */
export type Permission = 'yes' | 'types' | 'own' | readonly string[];

/** Columns of the table: rooms that may be imported. Engines, adapters and observability stand for themselves. */
export const columns = [
  'core',
  'ports',
  'protocols',
  'engines',
  'adapters',
  'observability',
  'handlers',
  'vision',
  'onnx-file',
  'training',
  'optimizer',
  'loadtest',
  'client',
  'config',
  'node and npm',
] as const;

export type Column = (typeof columns)[number];
export type Layer = { readonly [Name in Column]?: Permission };

const edgeOut: Layer = { core: 'yes', ports: 'yes', config: 'types', 'node and npm': 'yes' };

/** What is absent is forbidden. A room always may import itself, except where its own column says `own`. */
export const layers: Readonly<Record<string, Layer>> = {
  core: { core: 'yes', ports: 'types' },
  ports: { core: 'types', ports: 'types' },
  'onnx-file': { core: ['core/tensor', 'core/errors'], 'onnx-file': 'yes' },
  protocols: {
    core: 'yes',
    ports: 'yes',
    protocols: 'own',
    handlers: 'yes',
    config: 'types',
    'node and npm': 'yes',
  },
  engines: { ...edgeOut, engines: 'own', 'onnx-file': 'yes', optimizer: 'types' },
  adapters: { ...edgeOut, adapters: 'own' },
  observability: { ...edgeOut, observability: 'yes' },
  handlers: { core: 'yes', ports: 'yes', handlers: 'yes', vision: 'yes', config: 'types', 'node and npm': 'yes' },
  vision: {
    core: ['core/tensor', 'core/errors'],
    vision: 'yes',
    'onnx-file': ['onnx-file/small-floats'],
    'node and npm': 'yes',
  },
  config: { core: ['core/errors', 'core/tensor', 'core/types'], ports: 'types', config: 'yes', 'node and npm': 'yes' },
  training: {
    core: ['core/tensor', 'core/errors', 'core/seeded-random', 'core/batching'],
    ports: 'types',
    training: 'yes',
    'onnx-file': 'yes',
    config: 'types',
    'node and npm': 'yes',
  },
  optimizer: {
    core: ['core/tensor', 'core/errors', 'core/seeded-random', 'core/batching'],
    ports: 'types',
    vision: 'yes',
    optimizer: 'yes',
    training: ['training/csv'],
    'onnx-file': 'yes',
    config: 'types',
    'node and npm': 'yes',
  },
  loadtest: {
    core: ['core/tensor', 'core/errors', 'core/seeded-random', 'core/batching'],
    ports: 'types',
    loadtest: 'yes',
    protocols: 'yes',
    config: 'types',
    'node and npm': 'yes',
  },
  // Runs in browsers too: nothing but itself at run time, except for the files that say by their name that they need Node.
  client: { core: 'types', client: 'yes' },
  'client/node-*': { core: 'types', client: 'yes', 'node and npm': 'yes' },
  'server*.ts, cli': Object.fromEntries(columns.map((column) => [column, 'yes'])),
};

/** Folders of a room that all its folders may import, although the room is `own` to itself; so may files directly in the room. */
export const sharedFolders: readonly string[] = ['protocols/codecs', 'protocols/oip', 'adapters/sql'];

/** Packages that only one folder may import. */
export const ownedPackages: Readonly<Record<string, string>> = {
  'onnxruntime-node': 'engines/onnx',
  ioredis: 'adapters/redis',
  pg: 'adapters/postgres',
  undici: 'adapters/http',
  jose: 'adapters/auth',
  sharp: 'vision',
};

/**
 * The first folder, with two exceptions: the composition root, which may import everything and which nobody may import, and the
 * client's files for Node, which only each other may import.
 */
export function roomOf(path: string): string {
  const [first] = path.split('/');
  if (path.startsWith('client/node-')) return 'client/node-*';
  return first === 'cli' || /^server(-[a-z-]+)?\.ts$/.test(first!) ? 'server*.ts, cli' : first!;
}

function describe(permission: Permission | undefined): string {
  if (permission === undefined) return '-';
  if (typeof permission !== 'string') return permission.map((path) => path.split('/').slice(1).join('/')).join(', ');
  return permission;
}

/** The table of ARCHITECTURE.md. */
export function renderLayerTable(): string {
  const rows = Object.entries(layers).map(
    ([room, layer]) => `| ${room} | ${columns.map((column) => describe(layer[column])).join(' | ')} |`,
  );
  return [`| may import -> | ${columns.join(' | ')} |`, `|---|${columns.map(() => '---|').join('')}`, ...rows].join(
    '\n',
  );
}
