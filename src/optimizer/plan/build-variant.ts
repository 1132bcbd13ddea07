/**
 * Makes one variant and checks it: passes on a copy of the graph, saved, compared with the original, proven from the runtime's own graph.
 * Called by optimize.ts. What goes wrong with one variant is its result, not the end of the others.
 */
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { HotpathError } from '../../core/errors.ts';
import type { Rows } from '../data/rows.ts';
import type { Graph } from '../graph/graph.ts';
import { loadModel } from '../graph/load.ts';
import { saveModel } from '../graph/save.ts';
import type { ModelRunner, OpenModel, PassReport } from '../pass.ts';
import type { FusionProof } from '../verify/fusion-proof.ts';
import { proveFusion } from '../verify/fusion-proof.ts';
import { judge } from '../verify/gate.ts';
import type { LayerDifference } from '../verify/layers.ts';
import { compareLayers } from '../verify/layers.ts';
import type { Reference } from '../verify/verify.ts';
import { compareVariant } from '../verify/verify.ts';
import { findPass } from './pass-table.ts';
import type { Recipe } from './recipes.ts';
import type { CheckedVariant } from './result.ts';
import type { OptimizeTools } from './tools.ts';

export interface VariantJob {
  readonly graph: Graph;
  readonly recipe: Recipe;
  /** Where the model goes; its folder is there. */
  readonly path: string;
  readonly calibration: Rows | undefined;
  readonly heldOut: Rows;
  readonly reference: Reference;
  readonly maxDrop: number;
}

export interface VariantTools extends Pick<OptimizeTools, 'random' | 'findPass' | 'signal' | 'onProgress'> {
  /** One row at a time where the model wants that. */
  readonly runner: ModelRunner;
}

/** Of larger models the layers are not compared: all their values at once would not fit. */
const mostLayerBytes = 2 ** 28;

/** @throws the reason of the signal; nothing else */
export async function buildVariant(job: VariantJob, tools: VariantTools): Promise<CheckedVariant> {
  const passes: PassReport[] = [];
  try {
    const graph = job.graph.clone();
    await runPasses(graph, job, tools, passes);
    // The last pass is the one that the variant is called after; folding before it is no reason for one.
    if (passes.at(-1)?.changed.length === 0) {
      const reason = passes.at(-1)!.notes.join(' ') || 'It changes nothing here.';
      return { ...failed(job.recipe, passes, reason), state: 'unchanged' };
    }
    saveModel(graph, job.path);
    return await check(job, tools, graph, passes);
  } catch (error) {
    tools.signal?.throwIfAborted();
    if (error instanceof HotpathError) return failed(job.recipe, passes, error.message);
    return failed(job.recipe, passes, `An unexpected error, which is a bug: ${(error as Error).message}`);
  }
}

async function runPasses(graph: Graph, job: VariantJob, tools: VariantTools, reports: PassReport[]): Promise<void> {
  const { recipe, calibration } = job;
  const { runner, random, signal } = tools;
  for (const [index, { pass, settings }] of recipe.steps.entries()) {
    signal?.throwIfAborted();
    const load = (tools.findPass ?? findPass)(pass);
    if (load === undefined) throw new HotpathError('UNSUPPORTED', `The pass "${pass}" is not there.`);
    const run = await load();
    const onProgress = (share: number, what: string) => {
      tools.onProgress((0.8 * (index + Math.min(1, share))) / recipe.steps.length, `${recipe.title}: ${what}`);
    };
    const context = { runner, calibration, original: job.graph, random: random(recipe.id), signal, onProgress };
    reports.push(await run(graph, settings as never, context));
  }
  graph.check();
}

async function check(
  job: VariantJob,
  { runner, signal, onProgress }: VariantTools,
  graph: Graph,
  passes: readonly PassReport[],
): Promise<CheckedVariant> {
  const { recipe, path, reference, maxDrop } = job;
  onProgress(0.8, `${recipe.title}: verifying`);
  const optimizedPath = join(path, '..', 'optimized.onnx');
  const model = await openSaving(runner, path, optimizedPath);
  const difference = await compareVariant(reference, model, signal).finally(() => model.close());
  const proof = readProof(optimizedPath, passes);
  onProgress(0.9, `${recipe.title}: layers`);
  const layers = await layersOf(job, runner, graph, signal);
  const verdict = judge(difference, maxDrop, proof);
  return {
    id: recipe.id,
    title: recipe.title,
    state: verdict.passed ? 'passed' : 'refused',
    verdict,
    sizeBytes: sizeOf(path),
    passes,
    difference,
    layers,
    proof,
    machineSpecific: passes.some(({ machineSpecific }) => machineSpecific === true),
  };
}

/** The runtime cannot save what is beyond 2 GiB when optimized: then there is no proof, but still a model. */
async function openSaving(runner: ModelRunner, path: string, optimizedModelFilePath: string): Promise<OpenModel> {
  try {
    return await runner.open(path, { optimizedModelFilePath });
  } catch {
    return await runner.open(path);
  }
}

/** What the passes promised together; undefined when the runtime saved nothing that can be read. */
function readProof(optimizedPath: string, passes: readonly PassReport[]): FusionProof | undefined {
  const expected: Record<string, number> = {};
  for (const { expectedFused } of passes) Object.assign(expected, expectedFused);
  try {
    return proveFusion(loadModel(optimizedPath, { check: false }), expected);
  } catch {
    return undefined;
  } finally {
    for (const file of [optimizedPath, `${optimizedPath}.data`]) rmSync(file, { force: true });
  }
}

async function layersOf(
  { graph: original, heldOut }: VariantJob,
  runner: ModelRunner,
  variant: Graph,
  signal: AbortSignal | undefined,
): Promise<LayerDifference[]> {
  const bytes = original.initializers.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (bytes > mostLayerBytes) return [];
  try {
    return await compareLayers(runner, original, variant, heldOut, { mostRows: 4, signal });
  } catch (error) {
    signal?.throwIfAborted();
    // Only a picture for the report: some values cannot be fetched.
    if (error instanceof HotpathError) return [];
    throw error;
  }
}

export function failed(recipe: Recipe, passes: readonly PassReport[], reason: string): CheckedVariant {
  return {
    id: recipe.id,
    title: recipe.title,
    state: 'failed',
    verdict: { passed: false, reason },
    sizeBytes: 0,
    passes,
    difference: undefined,
    layers: [],
    proof: undefined,
    machineSpecific: false,
  };
}

/** With its data file. */
export function sizeOf(path: string, graph?: Graph): number {
  const beside = graph === undefined ? [`${path}.data`] : dataFiles(path, graph);
  return [path, ...beside].reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

function dataFiles(path: string, graph: Graph): string[] {
  const locations = graph.initializers.flatMap(({ external }) => (external === undefined ? [] : [external.location]));
  return [...new Set(locations)].map((location) => join(path, '..', location));
}
