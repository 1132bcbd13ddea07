/**
 * The whole of `hotpath optimize`: data, variants, verification, timing, choice. Called by server-optimize.ts with everything that runs
 * models; writes only into its work folder, never to the model. place-version.ts then puts the chosen one where it is served.
 */
import { basename } from 'node:path';
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { DataRequest } from '../data/load-data.ts';
import type { Graph } from '../graph/graph.ts';
import { loadModel } from '../graph/load.ts';
import { percent } from '../verify/gate.ts';
import { RowwiseRunner } from '../verify/rowwise-runner.ts';
import type { Reference, Task } from '../verify/verify.ts';
import { makeReference } from '../verify/verify.ts';
import { compareSpeed } from './bench.ts';
import { buildVariant, failed, sizeOf } from './build-variant.ts';
import type { Candidate } from './choose.ts';
import { choose, paretoFront } from './choose.ts';
import { findPass } from './pass-table.ts';
import type { PreparedRows } from './prepare-rows.ts';
import { prepareRows } from './prepare-rows.ts';
import type { ModelProfile } from './profile.ts';
import { profileModel } from './profile.ts';
import type { Recipe, Situation } from './recipes.ts';
import { isSensible, recipeFor, recipeIds } from './recipes.ts';
import type { CheckedVariant, OptimizeResult, Target } from './result.ts';
import type { OptimizeTools } from './tools.ts';
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

interface Prepared {
  readonly graph: Graph;
  readonly work: WorkFolder;
  readonly rows: PreparedRows;
  readonly reference: Reference;
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
  const { graph, work, rows, reference } = prepared;
  const result: OptimizeResult = {
    model: basename(modelPath),
    task: reference.task,
    target,
    maxDrop,
    data: {
      title: rows.title,
      synthetic: rows.synthetic,
      calibrationRows: rows.calibration.rows,
      heldOutRows: reference.rows,
      labelled: rows.labelled,
    },
    machine: tools.machine,
    variants: candidates.map((candidate) => ({ ...candidate, pareto: front.has(candidate.id) })),
    chosen: choice.id,
    choice: choice.reason,
    notes: [...rows.notes, ...reference.notes, ...guessNotes(reference, candidates), ...graphNotes(graph)],
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
    const rows = await prepareRows(original, trial, data, tools);
    tools.onProgress(0.03, 'running the original');
    const { signal } = tools;
    const reference = await makeReference(original, rows.heldOut, { task, classNames: rows.classNames, signal });
    const key = [tools.version, tools.machine, await digestModel(modelPath, graph), rows.key, maxDrop, reference.task];
    return {
      graph,
      work: new WorkFolder(outFolder, key),
      rows,
      reference,
      batched: rows.joinable && original.inputs.every(({ shape }) => shape[0] !== 1),
    };
  } finally {
    await original.close();
  }
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
  const { graph, work, reference } = prepared;
  const { calibration, heldOut, synthetic } = prepared.rows;
  const profile = profileModel(graph);
  const situation = { profile, machine: tools.machine, calibrationRows: calibration.rows, synthetic };
  const wanted = wantedRecipes(options.recipes, tools);
  const checked: CheckedVariant[] = [];
  const runner = new RowwiseRunner(tools.runner);
  for (const [index, id] of wanted.entries()) {
    if (options.recipes === undefined && !isSensible(id, situation, checked)) continue;
    const recipe = recipeFor(id, situation, checked);
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
  const known = recipeIds.filter((id) => isThere(recipeFor(id, anySituation(tools), [])));
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
  { graph, work, rows: { heldOut }, batched }: Prepared,
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
