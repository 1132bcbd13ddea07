/**
 * Model files that came in load calls, each upload in a folder of its own below one private folder in the system's temporary
 * folder. Called by the overlay. What it wrote is gone after remove() and close(); what a process that was killed left behind goes
 * when the next one stores something. Nothing else is ever touched.
 */
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { HotpathError, invalidInput } from '../../core/errors.ts';
import { errorCode } from './contained-file.ts';
import { isVersion } from './model-folder.ts';

export interface UploadedFile {
  readonly version: string;
  /** Below the version's folder, `/` between parts. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Their bytes are bounded by the request; this bounds what many empty ones cost the file system. */
const maxFiles = 1000;
const maxParts = 8;

export class UploadStore {
  readonly #parent: string;
  #root: Promise<string> | undefined;
  #next = 1;
  #closed = false;

  /** @param parent an existing folder. @default the system's temporary folder */
  constructor(parent: string = tmpdir()) {
    this.#parent = parent;
  }

  /**
   * Writes `<folder>/<model>/<version>/<path>` for each file and returns `<folder>`.
   * @throws INVALID_INPUT for a path that leads elsewhere or two files in one place, MODEL_FAILED when they cannot be written.
   */
  async write(model: string, files: readonly UploadedFile[]): Promise<string> {
    checkFiles(files);
    return this.#fill(async (folder) => {
      for (const { version, path, bytes } of files) {
        const target = join(folder, model, version, path);
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, bytes, { flag: 'wx' });
      }
    });
  }

  /** A copy of what the store of another process of this server wrote. @throws MODEL_FAILED */
  copy(from: string): Promise<string> {
    return this.#fill((folder) => cp(from, folder, { recursive: true }));
  }

  async remove(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true });
  }

  /** Removes everything and takes nothing more. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const root = await this.#root?.catch(() => undefined);
    if (root !== undefined) await rm(root, { recursive: true, force: true });
  }

  async #fill(work: (folder: string) => Promise<void>): Promise<string> {
    if (this.#closed) throw new HotpathError('SHUTTING_DOWN', 'The server is stopping and takes no new work.');
    let folder: string | undefined;
    try {
      this.#root ??= makeRoot(this.#parent);
      folder = join(await this.#root, String(this.#next++));
      await mkdir(folder);
      await work(folder);
      return folder;
    } catch (error) {
      if (folder === undefined) this.#root = undefined;
      else await this.remove(folder);
      throw notStored(error);
    }
  }
}

/** Processes of other machines or containers may share the folder; only on this one a process id says who is alive. */
const namePrefix = `hotpath-uploads-${hostname().replace(/[^A-Za-z0-9.-]/g, '_')}`;

/** Only the owner may look into what mkdtemp makes. */
async function makeRoot(parent: string): Promise<string> {
  await removeOrphans(parent).catch(() => {});
  return mkdtemp(join(parent, `${namePrefix}-${process.pid}-`));
}

async function removeOrphans(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${namePrefix}-`)) continue;
    const [, pid] = /^-(\d+)-[^-]+$/.exec(name.slice(namePrefix.length)) ?? [];
    if (pid !== undefined && isGone(Number(pid))) await rm(join(parent, name), { recursive: true, force: true });
  }
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errorCode(error) === 'ESRCH';
  }
}

/** The protocol has looked already; what becomes a path is looked at where it becomes one, too. */
function checkFiles(files: readonly UploadedFile[]): void {
  if (files.length > maxFiles) {
    throw invalidInput('parameters', `parameters: expected at most ${maxFiles} files, got ${files.length}.`);
  }
  for (const { version, path } of files) {
    const parts = path.split('/');
    const safe = parts.every((part) => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(part));
    if (isVersion(version) && safe && parts.length <= maxParts) continue;
    const field = `parameters.file:${version}/${path}`.slice(0, 100);
    throw invalidInput(field, `${field}: expected "file:<version>/<file name>".`);
  }
}

function notStored(error: unknown): HotpathError {
  if (error instanceof HotpathError) return error;
  const code = errorCode(error);
  if (['EEXIST', 'ENOTDIR', 'EISDIR'].includes(code)) {
    return invalidInput('parameters', 'parameters: two of the files cannot lie beside each other under these names.');
  }
  return new HotpathError('MODEL_FAILED', `The files of the model could not be stored (${code}).`, undefined, {
    cause: error,
  });
}
