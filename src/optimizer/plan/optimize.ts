/**
 * The whole of `hotpath optimize`: data, variants, verification, timing, choice. Called by server-optimize.ts with everything that runs
 * models; writes only into its work folder, never to the model. place-version.ts then puts the chosen one where it is served.
 */
import { basename } from 'node:path';
import { HotpathError, invalidInput } from '../../core/errors.ts';
import { elementCount } from '../../core/tensor.ts';
import type { DataRequest } from '../data/load-data.ts';
import { loadData } from '../data/load-data.ts';
import type { LoadedData, Rows } from '../data/rows.ts';
import { SeparateRows, splitRows } from '../data/rows.ts';
import { makeRows } from '../data/synthetic.ts';
import type { Graph } from '../graph/graph.ts';
import { loadModel } from '../graph/load.ts';
import type { OpenModel } from '../pass.ts';
import { percent } from '../verify/gate.ts';
import { RowwiseRunner } from '../verify/rowwise-runner.ts';
import type { Reference, Task } from '../verify/verify.ts';
import { makeReference } from '../verify/verify.ts';
import { compareSpeed } from './bench.ts';
import { buildVariant, failed, sizeOf } from './build-variant.ts';
import type { Candidate } from './choose.ts';
import { choose, paretoFront } from './choose.ts';
import { findPass } from './pass-table.ts';
import type { ModelProfile } from './profile.ts';
import { profileModel } from './profile.ts';
import type { Recipe, Situation } from './recipes.ts';
import { offers } from './recipes.ts';
import type { CheckedVariant, OptimizeResult, Target } from './result.ts';
import type { ModelTrial, OptimizeTools } from './tools.ts';
import { digestModel, WorkFolder } from './work-folder.ts';

export interface OptimizeOptions {
  readonly modelPath: string;
  /** For the work folder. */
  readonly outFolder: string;
  /** @default rows made up from the signature */
  readonly data?: DataRequest | undefined;
  /** @default 0.01 */
  readonly maxDrop?: number;
  /** @default 'latency' */
  readonly target?: Target;
  /** @default what suits the model */
  readonly recipes?: readonly string[] | undefined;
  /** For timing each batch size. @default 10000 */
  readonly batchMs?: number | undefined;
  /** Takes a refused variant too. @default false */
  readonly force?: boolean;
  /** @default found from the outputs */
  readonly task?: Task | undefined;
}

export interface Optimized {
  readonly result: OptimizeResult;
  /** The chosen variant's model file, in a folder that holds nothing but its files and `checked.json`. */
  readonly chosenPath: string | undefined;
}

/** Verification runs every variant on every row: this is what one may take. */
const verifyMs = 10_000;
const calibrateMs = 4000;
const mostRows = 2000;
const fewestRows = 32;
const madeUpBytes = 2 ** 27;

interface Prepared {
  readonly graph: Graph;
  readonly work: WorkFolder;
  readonly calibration: Rows;
  readonly heldOut: Rows;
  readonly reference: Reference;
  readonly data: OptimizeResult['data'];
  readonly notes: readonly string[];
  /** Whether rows may share a run. */
  readonly batched: boolean;
}

/** @throws INVALID_INPUT, MODEL_FAILED: the model or the data cannot be used at all */
export async function optimizeModel(options: OptimizeOptions, tools: OptimizeTools): Promise<Optimized> {
  const { modelPath, maxDrop = 0.01, target = 'latency', force = false } = options;
  const prepared = await prepare(options, tools);
  const checked = await buildAll(prepared, options, tools);
  const candidates = await timeAll(prepared, checked, options, tools);
  const choice = choose(candidates, target, force);
  const front = paretoFront(candidates);
  const { graph, work, data, reference, notes } = prepared;
  const result: OptimizeResult = {
    model: basename(modelPath),
    task: reference.task,
    target,
    maxDrop,
    data,
    machine: tools.machine,
    variants: candidates.map((candidate) => ({ ...candidate, pareto: front.has(candidate.id) })),
    chosen: choice.id,
    choice: choice.reason,
    notes: [...notes, ...reference.notes, ...guessNotes(reference, candidates), ...graphNotes(graph)],
  };
  return { result, chosenPath: choice.id === undefined ? undefined : work.modelPath(choice.id) };
}

async function prepare(options: OptimizeOptions, tools: OptimizeTools): Promise<Prepared> {
  const { modelPath, outFolder, data, maxDrop = 0.01, task } = options;
  tools.onProgress(0, 'reading the model');
  const graph = loadModel(modelPath);
  const trial = await tools.tryModel(modelPath);
  const runner = new RowwiseRunner(tools.runner);
  const original = await runner.open(modelPath);
  try {
    const loaded = data === undefined ? madeUp(original, trial, tools) : await load(original, data, tools);
    const { rows, note } = joinable(loaded.rows, original, trial);
    const limits = { mostHeldOut: affordableRows(trial), mostCalibration: usefulRows(trial) };
    const split = splitRows(rows, tools.random('split'), limits);
    tools.onProgress(0.03, 'running the original');
    const { signal } = tools;
    const { classNames } = loaded;
    const reference = await makeReference(original, split.heldOut, { task, classNames, signal });
    const key = [
      tools.version,
      tools.machine,
      await digestModel(modelPath, graph),
      loaded.digest,
      maxDrop,
      reference.task,
    ];
    return {
      graph,
      work: new WorkFolder(outFolder, key),
      calibration: split.calibration,
      heldOut: split.heldOut,
      reference,
      data: {
        title: loaded.title,
        synthetic: data === undefined,
        calibrationRows: split.calibration.rows,
        heldOutRows: reference.rows,
        labelled: rows.labels !== undefined,
      },
      notes: [...(data === undefined ? [madeUpNote] : []), ...loaded.notes, ...note, ...split.notes],
      batched: rows.joinable && original.inputs.every(({ shape }) => shape[0] !== 1),
    };
  } finally {
    await original.close();
  }
}

const madeUpNote =
  'NO DATA WAS GIVEN: rows were made up from random numbers. Times and sizes are right; what is said about quality is only a hint. ' +
  'Give rows like those of your users with --data.';

function affordableRows({ singleRunMs = 1 }: ModelTrial): number {
  return Math.max(fewestRows, Math.min(mostRows, Math.floor(verifyMs / singleRunMs)));
}

async function load({ inputs }: OpenModel, data: DataRequest, tools: OptimizeTools): Promise<LoadedData> {
  const { signal } = tools;
  return loadData(inputs, data, { signal, onProgress: (share, what) => tools.onProgress(0.03 * share, what) });
}

/** Ranges are known after a few hundred rows; repairing a pruned layer of a thousand inputs takes several thousand, where they are cheap. */
function usefulRows({ singleRunMs = 1 }: ModelTrial): number {
  return Math.max(512, Math.min(4096, Math.floor(calibrateMs / singleRunMs)));
}

/** A third of them is held out. */
function madeUp(original: OpenModel, trial: ModelTrial, tools: OptimizeTools): LoadedData {
  const specs = original.inputs.map((input) => ({ ...input, trialShape: trial.shapes?.[input.name] }));
  const rowBytes = specs.reduce(
    (sum, { trialShape, shape }) => sum + 4 * Math.abs(elementCount(trialShape ?? shape)),
    1,
  );
  const affordable = Math.min(1536, 3 * affordableRows(trial), Math.floor(madeUpBytes / rowBytes));
  const count = Math.max(fewestRows, affordable);
  const rows = makeRows(specs, count, tools.random('rows'));
  const title = `${count} made-up rows`;
  return { rows, digest: title, title, classNames: undefined, notes: [] };
}

/** Rows of a model that mixes the rows of a batch are run one by one. */
function joinable(rows: Rows, original: OpenModel, { batch }: ModelTrial): { rows: Rows; note: readonly string[] } {
  const fixed = original.inputs.every(({ shape }) => shape[0] === 1);
  if (!rows.joinable || batch.safe || fixed) return { rows, note: [] };
  return { rows: new SeparateRows(rows), note: [`Rows are run one by one. ${batch.reason}`] };
}

/** A model fed wrongly is as right as chance is: then nothing that is said about quality means anything. */
function guessNotes({ labels }: Reference, candidates: readonly Candidate[]): string[] {
  const accuracy = candidates.find(({ difference }) => difference?.labels?.accuracy)?.difference?.labels?.accuracy;
  if (labels === undefined || accuracy === undefined) return [];
  const classes = new Set(Array.from(labels)).size;
  if (classes < 2 || accuracy.original > 1.2 / classes) return [];
  return [
    `THE ORIGINAL ITSELF IS RIGHT ON ONLY ${percent(accuracy.original)} OF THE LABELLED ROWS, no better than guessing: are the rows prepared as it expects them, and are its classes numbered like the labels?`,
  ];
}

function graphNotes(graph: Graph): string[] {
  return graph.head.functionCount > 0
    ? ['The model defines functions of its own; layers inside them are left alone.']
    : [];
}

async function buildAll(prepared: Prepared, options: OptimizeOptions, tools: OptimizeTools): Promise<CheckedVariant[]> {
  const { graph, work, calibration, heldOut, reference, data } = prepared;
  const profile = profileModel(graph);
  const situation = { profile, machine: tools.machine, calibrationRows: calibration.rows, synthetic: data.synthetic };
  const wanted = wantedRecipes(options.recipes, tools);
  const checked: CheckedVariant[] = [];
  const runner = new RowwiseRunner(tools.runner);
  for (const [index, id] of wanted.entries()) {
    const { recipe: make, sensible } = offers[id]!;
    if (options.recipes === undefined && !sensible(situation, checked)) continue;
    const recipe = make(situation, checked);
    const onProgress = (share: number, what: string) =>
      tools.onProgress(0.05 + (0.75 * (index + share)) / wanted.length, what);
    onProgress(0, recipe.title);
    const earlier = await work.finished(id);
    if (earlier !== undefined) {
      checked.push(earlier);
      continue;
    }
    const usable = calibration.joinable ? calibration : undefined;
    if (recipe.needsData && usable === undefined) {
      checked.push(failed(recipe, [], 'It needs rows that can be joined for calibration.'));
      continue;
    }
    const job = {
      graph,
      recipe,
      path: await work.begin(id),
      calibration: usable,
      heldOut,
      reference,
      maxDrop: options.maxDrop ?? 0.01,
    };
    const variant = await buildVariant(job, { ...tools, runner, onProgress });
    if (isBuilt(variant)) await work.finish(variant);
    checked.push(variant);
  }
  return checked;
}

/** @throws INVALID_INPUT for a name that nothing has */
function wantedRecipes(asked: readonly string[] | undefined, tools: OptimizeTools): string[] {
  const find = tools.findPass ?? findPass;
  const isThere = ({ steps }: Recipe) => steps.every(({ pass }) => find(pass) !== undefined);
  const known = Object.keys(offers).filter((id) => isThere(offers[id]!.recipe(anySituation(tools), [])));
  const unknown = asked?.find((id) => !known.includes(id));
  if (unknown !== undefined) {
    throw invalidInput('passes', `There is no variant "${unknown}". Known: ${known.join(', ')}.`);
  }
  return asked === undefined ? known : [...new Set(asked)];
}

function isBuilt({ state }: CheckedVariant): boolean {
  return state !== 'failed' && state !== 'unchanged';
}

/** Only to see which passes a recipe uses. */
function anySituation({ machine }: OptimizeTools): Situation {
  const none = { linearBytes: 0, convBytes: 0, floatBytes: 0, linearLayers: 0, convLayers: 0 };
  const profile: ModelProfile = { opset: 0, operators: {}, ...none, quantized: false, half: false };
  return { profile, machine, calibrationRows: 0, synthetic: false };
}

async function timeAll(
  { graph, work, heldOut, batched }: Prepared,
  checked: readonly CheckedVariant[],
  { modelPath, batchMs }: OptimizeOptions,
  { runner, memoryBytes, signal, onProgress }: OptimizeTools,
): Promise<Candidate[]> {
  const original: CheckedVariant = {
    ...failed({ id: 'original', title: 'original', steps: [], needsData: false }, [], ''),
    state: 'original',
    verdict: { passed: true, reason: '' },
    sizeBytes: sizeOf(modelPath, graph),
  };
  const built = [original, ...checked.filter(isBuilt)];
  const pathOf = ({ id, state }: CheckedVariant) => (state === 'original' ? modelPath : work.modelPath(id));
  const results = await compareSpeed(
    built.map((variant) => ({ id: variant.title, open: () => runner.open(pathOf(variant)) })),
    heldOut,
    {
      batches: batched ? [1, 8, 32] : [1],
      batchMs,
      keepOpen: 3 * built.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) < memoryBytes,
      signal,
      onProgress: (share, what) => onProgress(0.8 + 0.2 * share, what),
    },
  );
  if (results[0]!.failure !== undefined) throw new HotpathError('MODEL_FAILED', results[0]!.failure);
  return [original, ...checked].map((variant) => {
    const { timings = [], residentBytes = 0, failure } = results[built.indexOf(variant)] ?? {};
    if (failure === undefined) return { ...variant, timings, residentBytes };
    return { ...variant, state: 'failed', verdict: { passed: false, reason: failure }, timings, residentBytes };
  });
}
