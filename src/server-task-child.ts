/**
 * The process of one background task: optimizes the model as the command does, writes the report, puts the chosen variant where it belongs.
 * Started by server-tasks.ts with one job; its last word is the result. Killed at any moment and started again, it goes on from the work
 * folder; what it had finished is only told again.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tryLock } from './adapters/filesystem/folder-lock.ts';
import { taskFiles } from './adapters/filesystem/task-folder.ts';
import { type TaskTools, workAsTask } from './adapters/processes/task-child.ts';
import { HotpathError } from './core/errors.ts';
import { parseImageOptions } from './optimizer/data/image-folder.ts';
import { configBeside } from './optimizer/plan/config-beside.ts';
import { placeVersion } from './optimizer/plan/place-version.ts';
import { renderReport } from './optimizer/plan/report.ts';
import type { OptimizeResult, VariantResult } from './optimizer/plan/result.ts';
import type { OptimizeRequest } from './protocols/admin/task-routes.ts';
import { runOptimize } from './server-optimize.ts';
import { replaceFile } from './training/store-model.ts';

export interface OptimizeJob {
  /** Of the task. */
  readonly folder: string;
  /** Of the repository. */
  readonly models: string;
  readonly model: string;
  readonly version: string;
  readonly modelPath: string;
  readonly file: string | undefined;
  readonly labels: string | undefined;
  /** Of the model's configuration. */
  readonly classNames?: readonly string[] | undefined;
  readonly request: OptimizeRequest;
}

/** In short and without paths: the report has the rest. */
export interface OptimizeSummary {
  /** Null: the model is best as it is. */
  readonly chosen: string | null;
  readonly choice: string;
  readonly task: string;
  readonly target: string;
  readonly maxDrop: number;
  readonly data: OptimizeResult['data'];
  readonly machine: OptimizeResult['machine'];
  readonly variants: readonly VariantSummary[];
  readonly notes: readonly string[];
  /** In the repository; undefined where nothing was registered. */
  readonly registered?: { readonly version: string; readonly wasThere: boolean } | undefined;
}

export type VariantSummary = Pick<
  VariantResult,
  'id' | 'title' | 'state' | 'verdict' | 'sizeBytes' | 'residentBytes' | 'pareto' | 'timings'
>;

/** What is known once all is measured; from then on nothing is measured again. */
interface Outcome {
  readonly summary: Omit<OptimizeSummary, 'registered'>;
  /** In the work folder. */
  readonly chosenPath: string | undefined;
}

const outcomeName = 'outcome.json';
const lockRetryMs = 100;
/** At low priority on a busy server, everything takes many times as long. */
const patience = 10;
/** Held until the process ends: what nothing refers to would be collected, and its lock with it. */
const held: (() => void)[] = [];

async function optimizeTask(job: OptimizeJob, tools: TaskTools): Promise<Readonly<Record<string, unknown>>> {
  try {
    await takeFolder(join(job.folder, taskFiles.lock));
    const { summary, chosenPath } = (await earlierOutcome(job)) ?? (await findOutcome(job, tools));
    const registered = chosenPath === undefined ? undefined : await place(job, chosenPath);
    return { ...summary, registered };
  } catch (error) {
    if (error instanceof HotpathError || !isSystemError(error)) throw error;
    // A full disk, a folder that is for reading only: its own message would name the file.
    throw new HotpathError('UNSUPPORTED', `The files of the task cannot be written or read (${error.code}).`);
  }
}

function isSystemError(error: unknown): error is { readonly code: string } {
  const { code, syscall } = (error ?? {}) as { readonly code?: unknown; readonly syscall?: unknown };
  return typeof code === 'string' && typeof syscall === 'string';
}

async function earlierOutcome({ folder }: OptimizeJob): Promise<Outcome | undefined> {
  const text = await readFile(join(folder, taskFiles.work, outcomeName), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Outcome);
}

async function findOutcome(job: OptimizeJob, { onProgress, signal }: TaskTools): Promise<Outcome> {
  await mkdir(tmpdir(), { recursive: true });
  const tell = (share: number, what: string) => onProgress({ share, what });
  const { result, chosenPath } = await runOptimize(optionsOf(job), { onProgress: tell, signal, patience });
  signal.throwIfAborted();
  const shown = withoutPaths({ ...result, model: `${job.model}, version ${job.version}` }, job);
  await replaceFile(job.folder, taskFiles.report, renderReport(shown));
  await replaceFile(job.folder, 'report.json', JSON.stringify(shown, undefined, 2));
  const outcome = { summary: summarize(shown), chosenPath };
  await replaceFile(join(job.folder, taskFiles.work), outcomeName, JSON.stringify(outcome));
  return outcome;
}

/** A process whose server was killed may need a moment to notice: two must not write into one folder. */
async function takeFolder(path: string): Promise<void> {
  for (;;) {
    const release = tryLock(path);
    if (release !== undefined) return void held.push(release);
    await delay(lockRetryMs);
  }
}

function optionsOf({ folder, modelPath, file, labels, classNames, request }: OptimizeJob) {
  const { hours, image, imageSize, maxDrop, target, task, passes, seconds } = request;
  const path = hours === undefined ? file : join(folder, taskFiles.inputs);
  return {
    modelPath,
    outFolder: folder,
    data:
      path === undefined
        ? undefined
        : { path, labels, classNames, image: { ...parseImageOptions(image, imageSize), followLinks: false } },
    recipes: passes,
    ...(maxDrop === undefined ? {} : { maxDrop }),
    ...(target === undefined ? {} : { target }),
    ...(task === undefined ? {} : { task }),
    ...(seconds === undefined ? {} : { batchMs: 1000 * seconds }),
  };
}

/** Into the repository, else into a repository of its own below the task's folder. */
async function place(
  { folder, models, model, modelPath, request }: OptimizeJob,
  chosenPath: string,
): Promise<OptimizeSummary['registered']> {
  if (request.register !== false) return placeVersion(chosenPath, models, model);
  await placeVersion(chosenPath, join(folder, taskFiles.models), model, await configBeside(modelPath));
  return undefined;
}

/** A sentence of the system, such as of a full disk, may name a file. */
function withoutPaths(result: OptimizeResult, { folder, models }: OptimizeJob): OptimizeResult {
  let text = JSON.stringify(result);
  for (const path of [tmpdir(), folder, models]) text = text.replaceAll(JSON.stringify(path).slice(1, -1), '');
  return JSON.parse(text) as OptimizeResult;
}

function summarize(result: OptimizeResult): Outcome['summary'] {
  const { chosen, choice, task, target, maxDrop, data, machine, variants, notes } = result;
  return {
    chosen: chosen ?? null,
    choice,
    task,
    target,
    maxDrop,
    data,
    machine,
    variants: variants.map(({ id, title, state, verdict, sizeBytes, residentBytes, pareto, timings }) => {
      return { id, title, state, verdict, sizeBytes, residentBytes, pareto, timings };
    }),
    notes,
  };
}

workAsTask(optimizeTask);
