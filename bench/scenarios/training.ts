/**
 * Scenario 15: how long trainers take, how good their models are, and whether the exported files answer as the trainers do: labels of 20,000
 * random points, which no training saw, from the runtime and from the trainer itself.
 */
import { fileURLToPath } from 'node:url';
import { proveModel } from '../../src/cli/train-proof.ts';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { trainNetwork } from '../../src/server-train.ts';
import type { ModelKind } from '../../src/training/pipeline/trained-model.ts';
import type { Agreement } from '../../src/training/pipeline/verify.ts';
import { collectTable, readTable, type TextTable } from '../../src/training/table/read-table.ts';
import type { TrainedTable } from '../../src/training/train-table.ts';
import { trainTable } from '../../src/training/train-table.ts';
import type { BenchContext } from '../context.ts';
import { formatNumber, type ScenarioResult, type Table } from '../result.ts';
import { median } from '../stats.ts';

const points = 20_000;
const [largeRows, largeColumns] = [20_000, 20];
const irisPath = fileURLToPath(new URL('../../data/iris.csv', import.meta.url));

export async function runTraining({ options }: BenchContext): Promise<ScenarioResult> {
  const iris = await readTable(irisPath);
  const small: Trained[] = [];
  for (const kind of ['forest', 'boost', 'logistic', 'mlp'] as const)
    small.push(await train('iris', iris, 'species', kind));
  const table = await collectTable([largeTable()]);
  const large: Trained[] = [];
  for (const kind of ['boost', 'logistic', 'mlp'] as const) {
    const rounds = options.quick || kind === 'mlp' ? 1 : 3;
    const runs: Trained[] = [];
    for (let round = 0; round < rounds; round++) runs.push(await train('20,000 x 20', table, 'y', kind));
    large.push({ ...runs[0]!, trainMs: median(runs.map(({ trainMs }) => trainMs)) });
  }
  const trees = [...small, ...large].filter(({ kind }) => kind !== 'mlp');
  return {
    name: 'training',
    title: 'Training from a table',
    method: [
      `\`hotpath train\` with its defaults on one core; the large table has ${largeRows} rows of ${largeColumns} numbers, two classes and a tenth of the labels wrong. Accuracy on a fifth held out. The exported file ran on rows of the table and on ${points} random points; differences are against the trainer's own answers.`,
    ],
    tables: [tableOf([...small, ...large])],
    targets: [
      {
        what: "labels of exported trees and linear models that differ from the trainer's",
        comparison: '<=',
        target: 0,
        unit: `of ${trees.reduce((sum, { agreement }) => sum + agreement.rows, 0)}`,
        measured: trees.reduce((sum, { agreement }) => sum + agreement.differentLabels, 0),
      },
      {
        what: 'boosted trees on 20,000 x 20',
        comparison: '<=',
        target: 2,
        unit: 's',
        measured: large.find(({ kind }) => kind === 'boost')!.trainMs / 1000,
      },
    ],
    data: { small, large },
  };
}

interface Trained {
  readonly title: string;
  readonly kind: ModelKind;
  readonly trainMs: number;
  readonly sizeBytes: number;
  readonly accuracy: number;
  readonly agreement: Agreement;
}

async function train(title: string, table: TextTable, target: string, kind: ModelKind): Promise<Trained> {
  console.log(`  ${title}: ${kind}`);
  const signal = new AbortController().signal;
  const hooks = {
    nowMs: () => performance.now(),
    trainers: { mlp: (job: Parameters<typeof trainNetwork>[0]) => trainNetwork(job, signal) },
  };
  const trained = await trainTable(table, { target, model: kind }, hooks);
  return { title, kind, ...figuresOf(trained), agreement: await proveModel(trained, points) };
}

function figuresOf({ report: { trainMs, sizeBytes, evaluation } }: TrainedTable) {
  const metrics = evaluation!.metrics;
  return { trainMs, sizeBytes, accuracy: 'accuracy' in metrics ? metrics.accuracy : Number.NaN };
}

/** Some columns matter, in pairs and with bends; a tenth of the labels is wrong. */
function largeTable(): string {
  const random = seededRandom(3);
  const lines = [[...Array.from({ length: largeColumns }, (_, column) => `x${column}`), 'y'].join()];
  for (let row = 0; row < largeRows; row++) {
    const x = Array.from({ length: largeColumns }, () => Math.round((random() * 4 - 2) * 1e4) / 1e4);
    const score = x[0]! * x[1]! + Math.sin(3 * x[2]!) + x[3]! ** 2 - 1.3 + 0.5 * x[4]!;
    const label = score > 0 !== random() < 0.1;
    lines.push([...x, label ? 'yes' : 'no'].join());
  }
  return lines.join('\n');
}

function tableOf(all: readonly Trained[]): Table {
  return {
    title: 'Trainers',
    columns: [
      'table',
      'model',
      'training ms',
      'file kB',
      'accuracy',
      'rows compared',
      'other labels',
      'ties',
      'largest difference',
    ],
    rows: all.map(({ title, kind, trainMs, sizeBytes, accuracy, agreement }) => [
      title,
      kind,
      formatNumber(trainMs),
      formatNumber(sizeBytes / 1e3),
      `${(100 * accuracy).toFixed(1)} %`,
      formatNumber(agreement.rows),
      String(agreement.differentLabels),
      String(agreement.ties),
      agreement.largestDifference.toExponential(1),
    ]),
  };
}
