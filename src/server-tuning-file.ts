/**
 * Keeps what `tune` found out in `models/<name>/tuning.json`: reads what is there, replaces the one entry, renames the new file into place.
 * Called by server-tune.ts at the very end. Entries of other machines and models stay; a file that is none of ours is put aside.
 */
import { readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasEntry, replaceEntry, tuningFileName } from './config/tuning-file.ts';
import { HotpathError } from './core/errors.ts';
import type { TuneResult } from './optimizer/tune/result.ts';
import type { TuningKey } from './ports/tuning.ts';
import { replaceFile } from './training/store-model.ts';

export interface Keepable {
  readonly model: string;
  readonly key: TuningKey;
  readonly traffic: string;
  readonly result: TuneResult;
}

export interface Kept {
  /** `removed`: an older entry said something else than the default, which is best now. */
  readonly what: 'written' | 'removed' | 'nothing' | 'would be written' | 'would be removed';
  readonly path: string;
  /** Where a file that was no tuning.json of ours lies now. */
  readonly asidePath?: string | undefined;
}

/** @param root folder of the models @throws INTERNAL when the folder cannot be written to */
export async function keepTuning(root: string, found: Keepable, dryRun: boolean): Promise<Kept> {
  const { key, model, result } = found;
  const path = join(root, model, tuningFileName);
  const written = await readIfThere(path);
  const entry = result.improved ? entryOf(found) : undefined;
  if (entry === undefined && !(written !== undefined && hasEntry(written, key))) return { what: 'nothing', path };
  const what = entry === undefined ? 'removed' : 'written';
  if (dryRun) return { what: `would be ${what}`, path };
  try {
    const text = replaceEntry(written, key, entry);
    const asidePath = text === undefined ? await putAside(path) : undefined;
    // By rename: a server that watches never reads half of it.
    await replaceFile(dirname(path), tuningFileName, text ?? replaceEntry(undefined, key, entry)!);
    return { what, path, asidePath };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    throw new HotpathError('UNSUPPORTED', `${tuningFileName} cannot be written into the model's folder (${code}).`);
  }
}

function entryOf({ key, traffic, result }: Keepable) {
  const { challenger, defaults, sloMs, ratePerSecond, gain } = result;
  return {
    ...key,
    settings: challenger!.settings,
    sloMs,
    tunedAt: new Date().toISOString(),
    traffic,
    ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
    gain,
    measured: challenger!.loads,
    default: { settings: defaults.settings, measured: defaults.loads },
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

async function putAside(path: string): Promise<string> {
  await rename(path, `${path}.old`);
  return `${path}.old`;
}
