/**
 * Background tasks as folders, `<root>/<id>/`: task.json, a mark of whoever wants it cancelled, its input, its report, and `.work` for what
 * only a running task needs. Made by server-tasks.ts in every HTTP process. A task appears and changes by renaming: no reader and no crash
 * sees half of one. The root is made with the first task; a server that never has one writes nothing.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HotpathError } from '../../core/errors.ts';
import { isEnded } from '../../core/tasks/transitions.ts';
import type { Task, TaskLease, TaskStore } from '../../ports/task-store.ts';
import { errorCode } from './contained-file.ts';
import { isTaskId, readTask, writeTask } from './task-record.ts';

/** Names below a task's folder. */
export const taskFiles = {
  inputs: 'inputs.jsonl',
  report: 'report.html',
  /** A repository with the chosen variant, where it was not to be registered. */
  models: 'models',
  work: '.work',
  lock: 'running.lock',
} as const;

const taskName = 'task.json';
const cancelName = 'cancel';
const leaseName = 'leader.lock';
const draftPrefix = '.new-';
/** Older than that, a folder that was never finished belongs to nobody. */
const draftMs = 86_400_000;

export class TaskFolder implements TaskStore {
  readonly #root: string;
  /** Those that will not change any more. */
  readonly #ended = new Map<string, Task>();
  #draft = 0;

  constructor(root: string) {
    this.#root = root;
  }

  folderOf(id: string): string {
    return join(this.#root, id);
  }

  async create(task: Task, lines?: Iterable<string>): Promise<void> {
    const draft = join(this.#root, `${draftPrefix}${task.id}`);
    try {
      await mkdir(this.#root, { recursive: true });
      // The input may be what clients sent.
      await mkdir(draft, { mode: 0o700 });
      if (lines !== undefined) await writeLines(join(draft, taskFiles.inputs), lines);
      await writeDurably(join(draft, taskName), writeTask(task));
      await rename(draft, this.folderOf(task.id));
      await syncFolder(this.#root);
    } catch (error) {
      await rm(draft, { recursive: true, force: true }).catch(() => {});
      if (error instanceof HotpathError) throw error;
      const message = `Tasks cannot be kept on this server: its taskDir cannot be written (${errorCode(error)}).`;
      throw new HotpathError('UNSUPPORTED', message, undefined, { cause: error });
    }
  }

  async list(): Promise<readonly Task[]> {
    const ids = (await this.#names()).filter(isTaskId);
    for (const id of this.#ended.keys()) if (!ids.includes(id)) this.#ended.delete(id);
    const tasks = await Promise.all(ids.map((id) => this.#read(id)));
    return tasks.filter((task) => task !== undefined);
  }

  async find(id: string): Promise<Task | undefined> {
    return isTaskId(id) ? this.#read(id) : undefined;
  }

  async put(task: Task): Promise<void> {
    const folder = this.folderOf(task.id);
    const draft = join(folder, `${taskName}.${this.#draft++}`);
    await writeDurably(draft, writeTask(task));
    await rename(draft, join(folder, taskName));
  }

  async askCancel(id: string): Promise<void> {
    // One that was removed meanwhile needs no end any more.
    await writeFile(join(this.folderOf(id), cancelName), '').catch(absent);
  }

  async report(id: string): Promise<string | undefined> {
    if (!isTaskId(id)) return undefined;
    return readFile(join(this.folderOf(id), taskFiles.report), 'utf8').catch(absent);
  }

  async dropWork(id: string): Promise<void> {
    const folder = this.folderOf(id);
    const names = [taskFiles.work, taskFiles.inputs, taskFiles.lock];
    await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })));
  }

  async remove(id: string): Promise<void> {
    await rm(this.folderOf(id), { recursive: true, force: true });
    this.#ended.delete(id);
  }

  async lease(): Promise<TaskLease | undefined> {
    const names = await this.#names();
    // Nothing to run, and no reason to write: the folder may be on a disk that is for reading only.
    if (!names.some((name) => isTaskId(name))) return undefined;
    // Loaded here: a server that has no tasks needs no SQLite for them.
    const { tryLock } = await import('./folder-lock.ts');
    const release = tryLock(join(this.#root, leaseName));
    if (release === undefined) return undefined;
    await this.#removeDrafts(names);
    return { release: async () => release() };
  }

  async #read(id: string): Promise<Task | undefined> {
    const known = this.#ended.get(id);
    if (known !== undefined) return known;
    const folder = this.folderOf(id);
    const text = await readFile(join(folder, taskName), 'utf8').catch(absent);
    const task = text === undefined ? undefined : readTask(id, text);
    if (task === undefined) return undefined;
    if (isEnded(task)) {
      this.#ended.set(id, task);
      return task;
    }
    const cancelAsked = (await stat(join(folder, cancelName)).catch(absent)) !== undefined;
    return cancelAsked ? { ...task, cancelAsked } : task;
  }

  async #names(): Promise<readonly string[]> {
    return (await readdir(this.#root).catch(absent)) ?? [];
  }

  async #removeDrafts(names: readonly string[]): Promise<void> {
    for (const name of names.filter((each) => each.startsWith(draftPrefix))) {
      const path = join(this.#root, name);
      const { mtimeMs = Number.POSITIVE_INFINITY } = (await stat(path).catch(absent)) ?? {};
      if (Date.now() - mtimeMs > draftMs) await rm(path, { recursive: true, force: true });
    }
  }
}

/** What is not there is no error; anything else is. */
function absent(error: unknown): undefined {
  if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return undefined;
  throw error;
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A write per line: between them the server answers others. */
async function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const line of lines) await file.write(`${line}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** So that the name is on the disk too. Not every system can. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch {
    // Then the rename itself has to do.
  }
}
