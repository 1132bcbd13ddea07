/**
 * `optimize` as a background task: what is accepted, and what the process that does it is told. Part of the composition root, made by
 * server-tasks.ts. It looks at a request as closely as it can, so that what is wrong is said at once and not minutes later; it runs nothing.
 */
import { access, constants, realpath } from 'node:fs/promises';
import { extname, isAbsolute, join } from 'node:path';
import { errorCode, inspectPath } from './adapters/filesystem/contained-file.ts';
import { HotpathError, invalidInput } from './core/errors.ts';
import type { ModelStatus } from './core/registry/catalog.ts';
import type { TaskDesk } from './core/tasks/task-desk.ts';
import type { ModelEntry } from './ports/model-source.ts';
import type { PredictionStore } from './ports/prediction-store.ts';
import type { Task } from './ports/task-store.ts';
import type { OptimizeRequest } from './protocols/admin/task-routes.ts';
import type { OptimizeJob } from './server-task-child.ts';
import { readLogLines } from './server-task-inputs.ts';

export interface OptimizeTaskDeps {
  readonly desk: Pick<TaskDesk, 'submit'>;
  /** Folder of the repository, absolute. */
  readonly models: string;
  readonly describe: (model: string, versionOrLabel?: string) => Promise<ModelStatus>;
  readonly find: (model: string) => Promise<ModelEntry | undefined>;
  /** Its files came in a load call. */
  readonly isUploaded: (model: string) => boolean;
  readonly predictions: () => Promise<Pick<PredictionStore, 'frequentInputs' | 'list'> | undefined>;
  readonly unixMs: () => number;
}

const defaultTop = 2000;

/** @throws MODEL_NOT_FOUND, MODEL_FAILED, INVALID_INPUT, OVERLOADED, UNSUPPORTED. */
export async function submitOptimize(deps: OptimizeTaskDeps, model: string, asked: OptimizeRequest): Promise<Task> {
  const { desk, describe, predictions, unixMs } = deps;
  const { version, loaded } = await describe(model, asked.version);
  await checkPasses(asked.passes);
  await checkImage(asked);
  const { register = true, ...rest } = asked;
  const request = { ...rest, version, register };
  await findFiles(deps, model, request);
  if (request.hours === undefined) return desk.submit({ kind: 'optimize', model, version, request });
  const { hours, top = defaultTop } = request;
  const joinable = loaded?.signature.inputs.every(({ shape }) => shape[0] === -1) ?? false;
  const lines = await readLogLines(await predictions(), { model, version, hours, top, unixMs: unixMs(), joinable });
  return desk.submit({ kind: 'optimize', model, version, request: { ...request, top } }, lines);
}

/** The job of an accepted task, from the repository as it is now. @throws as submitOptimize. */
export async function optimizeJob(
  deps: Pick<OptimizeTaskDeps, 'models' | 'find' | 'isUploaded'>,
  task: Task,
): Promise<Pick<OptimizeJob, 'modelPath' | 'file' | 'labels' | 'classNames'>> {
  return findFiles(deps, task.model, { version: task.version, ...(task.request as OptimizeRequest) });
}

async function checkPasses(passes: readonly string[] | undefined): Promise<void> {
  if (passes === undefined) return;
  // Loaded here: a server that is never asked needs no optimizer.
  const { recipeIds } = await import('./optimizer/plan/recipes.ts');
  const unknown = passes.find((name) => !recipeIds.includes(name));
  if (unknown === undefined) return;
  throw invalidInput('passes', `passes: there is no variant "${unknown}". Known: ${recipeIds.join(', ')}.`);
}

/** In the words of the command. */
async function checkImage({ image, imageSize }: OptimizeRequest): Promise<void> {
  if (image === undefined) return;
  const { parseImageOptions } = await import('./optimizer/data/image-folder.ts');
  parseImageOptions(image, imageSize);
}

/** Their paths. @throws INVALID_INPUT, MODEL_NOT_FOUND, MODEL_FAILED. */
async function findFiles(
  { models, find, isUploaded }: Pick<OptimizeTaskDeps, 'models' | 'find' | 'isUploaded'>,
  model: string,
  { version, register, file, labels, image }: OptimizeRequest,
) {
  const entry = await find(model);
  if (entry === undefined) throw new HotpathError('MODEL_NOT_FOUND', `There is no model "${model}".`);
  refuseWithoutFile(entry, isUploaded(model));
  if (register !== false) await refuseToRegister(entry, models);
  const found = entry.versions.find((one) => one.version === version);
  if (found === undefined) throw new HotpathError('MODEL_NOT_FOUND', `Model "${model}" has no version ${version}.`);
  if (found.problem !== undefined) throw new HotpathError('MODEL_FAILED', found.problem);
  return {
    modelPath: found.path,
    classNames: entry.config.classNames,
    file: file === undefined ? undefined : await fileOf(models, model, 'file', file, image !== undefined),
    labels: labels === undefined || extname(labels) !== '.npy' ? labels : await fileOf(models, model, 'labels', labels),
  };
}

function refuseWithoutFile({ name, config }: ModelEntry, isUploaded: boolean): void {
  const why =
    config.pipeline !== undefined
      ? 'is a pipeline: ask for the models of its steps'
      : config.engine === 'remote'
        ? 'runs on another server'
        : isUploaded
          ? 'came in a load call and has no folder in the repository'
          : undefined;
  if (why !== undefined) throw invalidInput('model', `model: "${name}" ${why}.`, 'a model with a file of its own');
}

/** A new version is always a model.onnx, beside the others. @throws INVALID_INPUT where that would be none, or cannot be written */
export async function refuseToRegister({ name, triton }: ModelEntry, models: string): Promise<void> {
  const file = triton?.modelFile ?? 'model.onnx';
  const refused = (why: string) => invalidInput('register', `register: ${why}.`, 'false');
  if (file !== 'model.onnx') {
    throw refused(`the config.pbtxt of "${name}" wants files called "${file}", and only model.onnx can be registered`);
  }
  await access(join(models, name), constants.W_OK).catch((error: unknown) => {
    throw refused(`the folder of "${name}" cannot be written (${errorCode(error)})`);
  });
}

/** By the rule of `cache.warm.file`: inside the model's folder, wherever links lead. */
async function fileOf(models: string, model: string, field: string, path: string, folder = false): Promise<string> {
  const expected = `a ${folder ? 'folder' : 'file'} in the model’s folder`;
  if (isAbsolute(path) || path.split(/[/\\]/).includes('..') || path.includes('\0')) {
    throw invalidInput(field, `${field}: expected a path inside the model’s folder`, expected);
  }
  const found = await inspectPath(await realpath(models), join(models, model, path));
  if (found.kind === (folder ? 'folder' : 'file')) return found.path;
  const why =
    found.kind === 'refused'
      ? found.reason
      : found.kind === 'absent'
        ? 'is absent'
        : `is no ${folder ? 'folder' : 'file'}`;
  throw invalidInput(field, `${field}: The ${folder ? 'folder' : 'file'} "${path}" ${why}.`, expected);
}
