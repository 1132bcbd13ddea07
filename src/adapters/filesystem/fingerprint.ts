/**
 * What the watcher compares: for each model folder one text made of size, time and inode of everything that matters in it.
 * Equal texts mean that nothing changed. It reads folders, never files.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isModelName, isVersion, namesIn } from './model-folder.ts';
import { tritonConfigName } from './triton-folder.ts';

export interface Look {
  /** Identity of the root folder itself, '' while it is missing: a new one needs a new watch. */
  readonly root: string;
  /** Model name -> fingerprint. */
  readonly models: ReadonlyMap<string, string>;
}

export async function lookAt(root: string): Promise<Look> {
  const models = new Map<string, string>();
  for (const name of (await namesIn(root)).filter(isModelName).sort()) {
    const print = await fingerprintModel(join(root, name));
    if (print !== '') models.set(name, print);
  }
  return { root: await identityOf(root), models };
}

/**
 * All files of a version count, so that a change of external data beside the model is a change of the model. Beside a
 * config.pbtxt any file may hold labels.
 */
async function fingerprintModel(folder: string): Promise<string> {
  const paths: string[] = [];
  const names = (await namesIn(folder)).sort();
  const foreign = names.includes(tritonConfigName);
  for (const name of names) {
    if (name === 'model.json' || name === 'tuning.json' || (foreign && !isVersion(name))) paths.push(name);
    if (!isVersion(name)) continue;
    const files = await namesIn(join(folder, name));
    // An ensemble's versions are empty folders.
    if (files.length === 0) paths.push(name);
    for (const file of files.sort()) paths.push(join(name, file));
  }
  const prints = await Promise.all(paths.map(async (path) => `${path}=${await fingerprintFile(join(folder, path))}`));
  return prints.join(';');
}

async function fingerprintFile(path: string): Promise<string> {
  try {
    const { size, mtimeNs, ino } = await stat(path, { bigint: true });
    return `${size}:${mtimeNs}:${ino}`;
  } catch {
    return 'unreadable';
  }
}

async function identityOf(root: string): Promise<string> {
  try {
    const { ino, dev } = await stat(root, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return '';
  }
}
