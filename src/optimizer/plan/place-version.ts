/**
 * Puts a finished model into a repository folder as its next version: copied under a temporary name, then renamed, so that a server that
 * watches never sees half of it. Called by the `optimize` command. An existing version is never touched; the same model is not added twice.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { invalidInput } from '../../core/errors.ts';

export interface Placed {
  readonly version: string;
  /** The newest version was this model already. */
  readonly wasThere: boolean;
}

/**
 * @param source a model file; files of its folder that start with its name belong to it
 * @param config written as model.json where there is none yet
 * @throws INVALID_INPUT for a name that could not be served
 */
export async function placeVersion(
  source: string,
  repository: string,
  name: string,
  config?: Readonly<Record<string, unknown>>,
): Promise<Placed> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) {
    throw invalidInput('name', `"${name}" is no model name: letters, digits, dots, dashes and underscores.`);
  }
  const modelFolder = join(repository, name);
  await mkdir(modelFolder, { recursive: true });
  for (;;) {
    const newest = await newestVersion(modelFolder);
    if (newest > 0 && (await isSame(source, join(modelFolder, String(newest))))) {
      return { version: String(newest), wasThere: true };
    }
    if (config !== undefined) await writeConfig(modelFolder, config);
    // Somebody else may make this version meanwhile; it may even be this very model.
    if (await copyVersion(source, modelFolder, newest + 1)) return { version: String(newest + 1), wasThere: false };
  }
}

async function newestVersion(modelFolder: string): Promise<number> {
  const versions = (await readdir(modelFolder)).filter((entry) => /^[1-9]\d{0,14}$/.test(entry));
  return Math.max(0, ...versions.map(Number));
}

async function writeConfig(modelFolder: string, config: Readonly<Record<string, unknown>>): Promise<void> {
  const text = `${JSON.stringify(config, undefined, 2)}\n`;
  await writeFile(join(modelFolder, 'model.json'), text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

/** False when there is a version of this number by now. */
async function copyVersion(source: string, modelFolder: string, version: number): Promise<boolean> {
  const temporary = join(modelFolder, `.${randomUUID()}.tmp`);
  try {
    await mkdir(temporary);
    for (const file of await filesOf(source)) await copyFile(join(dirname(source), file), join(temporary, file));
    // A folder that is not empty cannot be renamed over.
    await rename(temporary, join(modelFolder, String(version)));
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** All files: data beside two models may differ where the models themselves do not. */
async function isSame(source: string, versionFolder: string): Promise<boolean> {
  try {
    const files = await filesOf(source);
    for (const file of files) {
      if ((await digest(join(dirname(source), file))) !== (await digest(join(versionFolder, file)))) return false;
    }
    return (await readdir(versionFolder)).length === files.length;
  } catch {
    return false;
  }
}

async function filesOf(source: string): Promise<string[]> {
  return (await readdir(dirname(source))).filter((file) => file.startsWith(basename(source)));
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, { end: false });
  return hash.digest('hex');
}
