/**
 * Scenario 12: dynamic and static INT8 of Hotpath beside those of Python's onnxruntime.quantization, from the same model and the same rows:
 * precision on other rows, and speed in turns, each model in a process of its own with one thread.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { ProcessModelRunner } from '../../src/engines/onnx/model-runner.ts';
import { loadData } from '../../src/optimizer/data/load-data.ts';
import type { Rows } from '../../src/optimizer/data/rows.ts';
import type { Graph } from '../../src/optimizer/graph/graph.ts';
import { loadModel } from '../../src/optimizer/graph/load.ts';
import { saveModel } from '../../src/optimizer/graph/save.ts';
import type { ModelRunner, PassContext } from '../../src/optimizer/pass.ts';
import type { BenchResult } from '../../src/optimizer/plan/bench.ts';
import { compareSpeed } from '../../src/optimizer/plan/bench.ts';
import { findPass } from '../../src/optimizer/plan/pass-table.ts';
import { profileModel } from '../../src/optimizer/plan/profile.ts';
import { recipeFor } from '../../src/optimizer/plan/recipes.ts';
import type { Measure } from '../../src/optimizer/plan/result.ts';
import { compareVariant, makeReference } from '../../src/optimizer/verify/verify.ts';
import { machineFacts } from '../../src/server-machine.ts';
import type { BenchContext } from '../context.ts';
import { buildMlp2k, buildResnet18 } from '../models.ts';
import { npy } from '../optimizing.ts';
import { formatNumber, type ScenarioResult, type Table, type Target } from '../result.ts';
import { syntheticRows } from '../rows.ts';

interface Case {
  readonly title: string;
  readonly bytes: () => Uint8Array;
  readonly rowShape: readonly number[];
  readonly rows: number;
  /** Dynamic quantization of convolutions is slow in any tool. */
  readonly recipes: readonly ('dynamic-int8' | 'static-int8')[];
  /** Each in processes of their own. */
  readonly rounds: number;
}

const cases: readonly Case[] = [
  {
    title: 'ResNet-18-like',
    bytes: buildResnet18,
    rowShape: [3, 224, 224],
    rows: 48,
    recipes: ['static-int8'],
    rounds: 21,
  },
  {
    title: 'MLP 2048',
    bytes: buildMlp2k,
    rowShape: [2048],
    rows: 768,
    recipes: ['dynamic-int8', 'static-int8'],
    // Where its 15 MB of weights lie makes a process a fifth faster or slower: it takes many to see three percent.
    rounds: 101,
  },
];

const script = fileURLToPath(new URL('../peers/quantize.py', import.meta.url));

export async function runQuantizers({ options, python }: BenchContext): Promise<ScenarioResult> {
  const tool = python !== undefined && hasOnnx(python) ? python : undefined;
  if (tool === undefined) console.log('No python3 with onnxruntime and onnx: its quantizer is left out.');
  const found: Compared[] = [];
  if (tool !== undefined) for (const each of cases) found.push(...(await compare(each, tool, options.quick)));
  return {
    name: 'quantizers',
    title: "Beside Python's onnxruntime.quantization",
    method: [
      'The same model and calibration rows (normal noise) for both tools; the Python one at the settings that suit x64 best (QDQ, min-max, uint8 activations, int8 weights per channel, after its own pre-processing). Precision on other rows; both took turns, one thread, each round in a process of its own; medians of the ratios within the rounds with their 95 % interval. On the perceptron both run the same operators.',
    ],
    tables: [tableOf(found)],
    targets: targetsOf(found),
    data: found,
  };
}

function hasOnnx(python: string): boolean {
  try {
    execFileSync(python, ['-c', 'import onnx, onnxruntime.quantization'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

interface Compared {
  readonly title: string;
  readonly recipe: string;
  readonly ours: Measured;
  readonly theirs: Measured;
  /** Time of theirs over time of ours, per batch. */
  readonly ratios: readonly (Measure & { readonly batch: number })[];
}

interface Measured {
  readonly sqnrDb: number;
  readonly timings: BenchResult['timings'];
}

async function compare(asked: Case, python: string, quick: boolean): Promise<Compared[]> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-bench-quantizers-'));
  const runner = new ProcessModelRunner({ memoryBytes: 2 ** 33 });
  try {
    const paths = await quantizeBoth(asked, python, folder, runner);
    const original = await runner.open(paths.original);
    const { rows } = await loadData(original.inputs, { path: paths.heldOut });
    const reference = await makeReference(original, rows, { task: 'regression' });
    await original.close();
    const precision = async (path: string): Promise<number> => {
      const model = await runner.open(path);
      const { outputs } = await compareVariant(reference, model);
      await model.close();
      return Math.min(...outputs.map(({ sqnrDb }) => sqnrDb));
    };
    const found: Compared[] = [];
    for (const [recipe, pair] of Object.entries(paths.pairs)) {
      // The first is what the others are compared with, round by round.
      const [theirs, ours] = await time([pair.theirs, pair.ours], rows, runner, quick ? 7 : asked.rounds);
      found.push({
        title: asked.title,
        recipe,
        ours: { sqnrDb: await precision(pair.ours), timings: ours!.timings },
        theirs: { sqnrDb: await precision(pair.theirs), timings: theirs!.timings },
        ratios: ours!.timings.map(({ batch, speedup }) => ({ batch, ...speedup })),
      });
    }
    return found;
  } finally {
    await runner.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Pair {
  readonly ours: string;
  readonly theirs: string;
}

async function quantizeBoth(
  { title, bytes, rowShape, rows, recipes }: Case,
  python: string,
  folder: string,
  runner: ModelRunner,
): Promise<{ original: string; heldOut: string; pairs: Record<string, Pair> }> {
  const file = (name: string): string => join(folder, name);
  const original = file('model.onnx');
  await writeFile(original, bytes());
  const all = syntheticRows(rowShape, rows);
  const half = all.length / 2;
  await writeFile(file('calibration.npy'), npy(rowShape, all.subarray(0, half)));
  await writeFile(file('held-out.npy'), npy(rowShape, all.subarray(half)));
  console.log(`  ${title}: onnxruntime.quantization`);
  const dynamic = recipes.includes('dynamic-int8') ? file('dynamic-int8.onnx') : '-';
  const args = [script, original, file('calibration.npy'), dynamic, file('static-int8.onnx')];
  execFileSync(python, args, { stdio: ['ignore', 'ignore', 'ignore'] });
  const model = await runner.open(original);
  const { rows: calibration } = await loadData(model.inputs, { path: file('calibration.npy') });
  await model.close();
  const pairs: Record<string, Pair> = {};
  for (const recipe of recipes) {
    console.log(`  ${title}: ${recipe}`);
    const graph = loadModel(original);
    await applyRecipe(graph, recipe, {
      runner,
      calibration,
      random: seededRandom(1),
      signal: undefined,
      onProgress: () => {},
    });
    const ours = file(`ours-${recipe}.onnx`);
    saveModel(graph, ours);
    pairs[recipe] = { ours, theirs: file(`${recipe}.onnx`) };
  }
  return { original, heldOut: file('held-out.npy'), pairs };
}

async function applyRecipe(graph: Graph, id: string, context: PassContext): Promise<void> {
  const situation = { profile: profileModel(graph), machine: machineFacts(), calibrationRows: 0, synthetic: false };
  for (const { pass, settings } of recipeFor(id, situation, []).steps) {
    const run = await findPass(pass)!();
    await run(graph, settings as never, context);
  }
}

async function time(paths: readonly string[], rows: Rows, runner: ProcessModelRunner, rounds: number) {
  const contestants = paths.map((path) => ({ id: path, open: () => runner.open(path) }));
  return compareSpeed(contestants, rows, {
    batches: [1, 8],
    rounds,
    // Each round in a process of its own: where weights lie in memory makes a tenth of a difference.
    keepOpen: false,
  });
}

function tableOf(found: readonly Compared[]): Table {
  const batches = [1, 8];
  const timesOf = ({ timings }: Measured, batch: number): string => {
    const timing = timings.find((each) => each.batch === batch);
    return timing === undefined ? '-' : formatNumber(timing.ms.median);
  };
  return {
    title: 'Hotpath and onnxruntime.quantization',
    columns: [
      'model',
      'SQNR dB: ours',
      'theirs',
      ...batches.flatMap((batch) => [`${batch} rows, ms: ours`, 'theirs', 'ours is']),
    ],
    rows: found.map(({ title, recipe, ours, theirs, ratios }) => [
      `${title}, ${recipe}`,
      formatNumber(ours.sqnrDb),
      formatNumber(theirs.sqnrDb),
      ...batches.flatMap((batch) => [
        timesOf(ours, batch),
        timesOf(theirs, batch),
        ratioText(ratios.find((ratio) => ratio.batch === batch)),
      ]),
    ]),
  };
}

function ratioText(ratio: Measure | undefined): string {
  if (ratio === undefined) return '-';
  return `${formatNumber(ratio.median)}x as fast (${formatNumber(ratio.low)} to ${formatNumber(ratio.high)})`;
}

function targetsOf(found: readonly Compared[]): Target[] {
  const why = 'no python3 with onnxruntime and onnx';
  const worst = (values: readonly number[]): number => (values.length === 0 ? Number.NaN : Math.min(...values));
  return [
    {
      what: 'SQNR above that of the Python tool, worst case',
      comparison: '>=',
      target: -0.5,
      unit: 'dB',
      measured: worst(found.map(({ ours, theirs }) => ours.sqnrDb - theirs.sqnrDb)),
      why,
    },
    {
      what: 'speed over that of the Python tool, worst case',
      comparison: '>=',
      target: 0.97,
      unit: 'x',
      measured: worst(found.flatMap(({ ratios }) => ratios.map(({ median }) => median))),
      why,
    },
  ];
}
