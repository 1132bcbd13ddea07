/**
 * Makes what the example serves: a forest that tells healthy machines from others, the table of machines that its features come from,
 * and a file of inputs to warm the cache with. Starts nothing.
 * Usage: node examples/embedded/prepare.ts [model folder] [URL of the machines' table: sqlite:<file> or postgres://...]
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import { int, makeNode, makeValueInfo, type OnnxModel } from '../../src/onnx-file/model.ts';
import { type CsvTable, parseCsv } from '../../src/training/csv.ts';
import { tableToDataset } from '../../src/training/dataset.ts';
import { trainForest } from '../../src/training/forest.ts';
import { forestToOnnx } from '../../src/training/forest-to-onnx.ts';
import { storeModel } from '../../src/training/store-model.ts';

const [models = '.hotpath/example/models', source = 'sqlite:.hotpath/example/machines.db'] = process.argv.slice(2);
const name = 'machine-state';

/** The forest takes one tensor; a request that leaves features to a source names them, so each becomes an input of its own. */
function withNamedInputs(forest: OnnxModel, names: readonly string[]): OnnxModel {
  const { graph, opsets } = forest;
  return {
    ...forest,
    opsets: [...opsets, { domain: '', version: 17 }],
    graph: {
      ...graph,
      inputs: names.map((input) => makeValueInfo(input, 'float32', ['batch', 1])),
      nodes: [makeNode('Concat', names, ['features'], { axis: int(1) }), ...graph.nodes],
    },
  };
}

/** What is known of each machine; the sensors' values come with the request. */
const machines = [
  ['mixer-7', 80],
  ['press-1', 50],
  ['press-2', 55],
] as const;

async function storeMachines(url: string): Promise<void> {
  const statements = [
    'DROP TABLE IF EXISTS machines',
    'CREATE TABLE machines (id TEXT PRIMARY KEY, load REAL NOT NULL)',
    `INSERT INTO machines VALUES ${machines.map(([id, load]) => `('${id}', ${load})`).join(', ')}`,
  ];
  if (url.startsWith('sqlite:')) {
    const path = url.slice('sqlite:'.length);
    mkdirSync(dirname(path), { recursive: true });
    const database = new DatabaseSync(path);
    for (const statement of statements) database.exec(statement);
    database.close();
    return;
  }
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

/** One body of a predict request per line. */
function frequentInputs({ header, rows }: CsvTable, names: readonly string[]): string {
  const bodies = rows.slice(0, 20).map((cells) => {
    return { features: Object.fromEntries(names.map((input) => [input, Number(cells[header.indexOf(input)])])) };
  });
  return bodies.map((body) => `${JSON.stringify(body)}\n`).join('');
}

const table = parseCsv(readFileSync(join(import.meta.dirname, '../own-model/machine-state.csv'), 'utf8'));
const dataset = tableToDataset(table, 'state');
const { featureNames, classNames } = dataset;
const forest = forestToOnnx(trainForest(dataset, { trees: 30 }, seededRandom(1)));
await storeMachines(source);
await storeModel(models, name, '1', encodeModel(withNamedInputs(forest, featureNames)), {
  classNames,
  deterministic: true,
  // Those that the server has no store for are left out: the same file serves with and without Redis.
  cache: { tiers: ['memory', 'redis', 'database'] },
  features: { source, key: 'SELECT load FROM machines WHERE id = {entity}' },
});
writeFileSync(join(models, name, 'frequent.jsonl'), frequentInputs(table, featureNames));
console.log(`stored: ${name}, version 1, with inputs ${featureNames.join(', ')}`);
console.log(`machines: ${machines.map(([id]) => id).join(', ')}`);
