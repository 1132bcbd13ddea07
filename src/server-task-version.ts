/**
 * What becomes of the variant that a background task chose: the next version of its model, taken over by all processes, and served where the
 * model's version policy says so. Part of the composition root, called by server-tasks.ts when a task ends, and for one that kept its variant
 * to itself, when somebody asks for it.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './adapters/filesystem/contained-file.ts';
import { taskFiles } from './adapters/filesystem/task-folder.ts';
import { HotpathError, invalidInput, toHotpathError } from './core/errors.ts';
import type { ModelStatus } from './core/registry/catalog.ts';
import type { Logger } from './ports/logger.ts';
import type { Task } from './ports/task-store.ts';
import type { RegisteredVersion } from './protocols/admin/task-routes.ts';
import { type OptimizeTaskDeps, refuseToRegister } from './server-optimize-task.ts';
import type { Siblings } from './server-siblings.ts';
import type { OptimizeSummary } from './server-task-child.ts';

export interface VersionParts {
  readonly siblings: Pick<Siblings, 'takeOver'>;
  readonly registry: { list(model: string): Promise<readonly ModelStatus[]> };
  readonly logger: Logger;
}

export type PlacedVersion = Pick<RegisteredVersion, 'version' | 'wasThere'>;

/** Has the version served where it may be, and says what became of it. @param stop ends the waiting, not the reload */
export async function takeOver(
  { siblings, registry, logger }: VersionParts,
  model: string,
  placed: PlacedVersion,
  stop: AbortSignal,
): Promise<RegisteredVersion> {
  const { version, wasThere } = placed;
  const there = wasThere ? `Version ${version}, which was this model already,` : `Version ${version}`;
  const say = (served: boolean, note: string) => ({ version, wasThere, served, note });
  try {
    const reload = siblings.takeOver(model);
    const stopped = new Promise<'stopped'>((settle) => {
      stop.addEventListener('abort', () => settle('stopped'), { once: true });
      if (stop.aborted) settle('stopped');
    });
    // A load may take longer than a server has to stop.
    if ((await Promise.race([reload.then(() => 'reloaded' as const), stopped])) === 'stopped') {
      reload.catch(() => {});
      return say(false, `${there} is in the repository; a server that starts takes it over.`);
    }
    const status = (await registry.list(model)).find((one) => one.version === version);
    if (status === undefined) {
      return say(false, `${there} is in the repository, but the versionPolicy of the model does not serve it.`);
    }
    if (status.state === 'ready') return say(true, `${there} is served.`);
    return say(true, `${there} is served from the next request on.`);
  } catch (error) {
    const { message } = toHotpathError(error);
    logger.warn({ model, version, err: error }, 'the optimized version was not taken over');
    return say(false, `${there} is in the repository, but could not be taken over: ${message}`);
  }
}

/**
 * Makes the variant of a task that was not to register it the next version after all. Asked again while that one is the newest, it changes
 * nothing.
 * @param folder of the task
 * @throws INVALID_INPUT where there is nothing to register, MODEL_NOT_FOUND, UNSUPPORTED when the repository cannot be written
 */
export async function registerVariant(
  parts: VersionParts,
  { models, find }: Pick<OptimizeTaskDeps, 'models' | 'find'>,
  task: Task,
  folder: string,
): Promise<RegisteredVersion> {
  const source = join(folder, taskFiles.models, task.model, '1', 'model.onnx');
  const why = whyNothing(task) ?? ((await isThere(source)) ? undefined : 'its variant is not there any more');
  if (why !== undefined) throw invalidInput('id', `id: ${why}.`, 'a task that is done and kept its variant');
  const entry = await find(task.model);
  if (entry === undefined) throw new HotpathError('MODEL_NOT_FOUND', `There is no model "${task.model}".`);
  await refuseToRegister(entry, models);
  // Loaded here: a server that is never asked needs no optimizer.
  const { placeVersion } = await import('./optimizer/plan/place-version.ts');
  const placed = await placeVersion(source, models, task.model).catch((error: unknown) => {
    if (error instanceof HotpathError) throw error;
    const message = `The version cannot be written into the repository (${errorCode(error)}).`;
    throw new HotpathError('UNSUPPORTED', message, undefined, { cause: error });
  });
  return takeOver(parts, task.model, placed, new AbortController().signal);
}

function whyNothing({ state, result }: Task): string | undefined {
  if (state !== 'done') return `the task is ${state}`;
  const { chosen, registered } = result as unknown as OptimizeSummary;
  if (chosen === null) return 'the original is best, and no variant was kept';
  return registered === undefined ? undefined : `its variant is version ${registered.version} of the model already`;
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
