/**
 * Background tasks of this server: the folder that keeps them, the desk where they are asked for, and the leader that runs them, each in a
 * process of its own. Part of the composition root, made once by server.ts. With several HTTP processes every one lists tasks and accepts
 * them, by writing into the folder; exactly one runs them, whoever holds the folder's lock. Neither the supervisor nor the link between
 * siblings has a say in it: processes overlap while they are swapped, and another server may share the folder; the kernel's lock is right
 * in all these cases and free again when its holder dies.
 */
import { hash, randomFillSync } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { TaskFolder, taskFiles } from './adapters/filesystem/task-folder.ts';
import { runTaskProcess } from './adapters/processes/task-process.ts';
import type { Config } from './config/schema.ts';
import { toHotpathError } from './core/errors.ts';
import { PredictionIds } from './core/predictions/prediction-id.ts';
import type { ModelStatus } from './core/registry/catalog.ts';
import { TaskDesk } from './core/tasks/task-desk.ts';
import { type TaskCounts, TaskLeader } from './core/tasks/task-leader.ts';
import type { Clock } from './ports/clock.ts';
import type { Logger } from './ports/logger.ts';
import type { ModelSource } from './ports/model-source.ts';
import type { TaskOutcome, TaskRun, TaskRunner } from './ports/task-runner.ts';
import type { Task, TaskProgress } from './ports/task-store.ts';
import type { TaskAdmin } from './protocols/admin/task-routes.ts';
import { type OptimizeTaskDeps, optimizeJob, submitOptimize } from './server-optimize-task.ts';
import type { Siblings } from './server-siblings.ts';
import type { Stores } from './server-stores.ts';
import type { OptimizeJob, OptimizeSummary } from './server-task-child.ts';
import { registerVariant, takeOver } from './server-task-version.ts';

export interface TasksParts {
  readonly config: Pick<Config, 'taskDir' | 'models'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stores: Pick<Stores, 'predictions' | 'database'>;
  readonly registry: {
    describe(model: string, versionOrLabel?: string): Promise<ModelStatus>;
    list(model: string): Promise<readonly ModelStatus[]>;
  };
  readonly source: Pick<ModelSource, 'find'> & { override(model: string): { readonly folder: unknown } | undefined };
  readonly siblings: Pick<Siblings, 'takeOver'>;
}

export interface BackgroundTasks {
  readonly admin: TaskAdmin;
  /** Where they run; undefined elsewhere. */
  readonly counts: TaskCounts | undefined;
  /** When the models are ready: first of all the server serves. */
  start(): void;
  /** Ends the process of the running task; it goes on at the next start. Before the registry closes. Idempotent. */
  close(): Promise<void>;
}

const entry = new URL(
  import.meta.url.endsWith('.ts') ? './server-task-child.ts' : './server-task-child.js',
  import.meta.url,
);
/** Shorter than what a stopping server has for everything. */
const graceMs = 1000;

/** Undefined where there is no folder to keep them in. */
export function runTasks(parts: TasksParts): BackgroundTasks | undefined {
  const { config, clock, logger, stores, registry, source } = parts;
  if (config.taskDir === '') return undefined;
  const store = new TaskFolder(folderFor(config));
  const unixMs = Date.now;
  const files = {
    models: resolve(config.models),
    find: (model: string) => source.find(model),
    isUploaded: (model: string) => source.override(model)?.folder !== undefined,
  };
  const leader = new TaskLeader({ store, runner: childRunner(parts, store, files), clock, unixMs, logger });
  const ids = new PredictionIds(randomFillSync);
  const desk = new TaskDesk({ store, wake: () => leader.wake(), newId: (ms) => ids.next(ms), unixMs });
  const deps: OptimizeTaskDeps = {
    ...files,
    desk,
    describe: (model, version) => registry.describe(model, version),
    predictions: async () => (stores.predictions === undefined ? undefined : stores.database?.predictions),
    unixMs,
  };
  return {
    admin: {
      optimize: (model, request) => submitOptimize(deps, model, request),
      list: () => desk.list(),
      find: (id) => desk.find(id),
      report: (id) => desk.report(id),
      cancel: (id) => desk.cancel(id),
      register: (task) => registerVariant(parts, files, task, store.folderOf(task.id)),
    },
    get counts() {
      return leader.counts;
    },
    start: () => void leader.wake(),
    close: () => leader.close(),
  };
}

/** Tasks name models, and a model of this name in another repository is another model: servers of two may share the default. */
function folderFor({ taskDir, models }: TasksParts['config']): string {
  const path = resolve(models);
  return join(resolve(taskDir), `${basename(path)}-${hash('sha256', path).slice(0, 8)}`);
}

type Files = Parameters<typeof optimizeJob>[0];

function childRunner(parts: TasksParts, store: TaskFolder, files: Files): TaskRunner {
  return {
    run(task, onProgress) {
      const stop = new AbortController();
      return { outcome: runOptimizeTask(parts, store, files, task, onProgress, stop.signal), stop: () => stop.abort() };
    },
  };
}

async function runOptimizeTask(
  parts: TasksParts,
  store: TaskFolder,
  files: Files,
  task: Task,
  onProgress: (progress: TaskProgress) => void,
  stop: AbortSignal,
): Promise<TaskOutcome> {
  try {
    const folder = store.folderOf(task.id);
    const { models } = files;
    const { model, version, request } = task;
    const job: OptimizeJob = { folder, models, model, version, request, ...(await optimizeJob(files, task)) };
    const temporaryFolder = join(folder, taskFiles.work, 'tmp');
    const run = runTaskProcess({ entry, job, temporaryFolder, graceMs, logger: parts.logger }, onProgress);
    const outcome = await stoppable(run, stop);
    if (outcome.kind !== 'done') return outcome;
    const { registered } = outcome.result as unknown as OptimizeSummary;
    if (registered === undefined) return outcome;
    return { kind: 'done', result: { ...outcome.result, registered: await takeOver(parts, model, registered, stop) } };
  } catch (error) {
    const { code, message } = toHotpathError(error);
    if (code === 'INTERNAL') parts.logger.error({ task: task.id, err: error }, 'a background task could not be run');
    return { kind: 'failed', error: { code, message } };
  }
}

function stoppable(run: TaskRun, stop: AbortSignal): Promise<TaskOutcome> {
  const end = () => run.stop();
  if (stop.aborted) end();
  stop.addEventListener('abort', end, { once: true });
  return run.outcome;
}
