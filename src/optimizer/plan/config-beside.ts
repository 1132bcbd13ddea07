/** What a variant's own folder takes along of its original. Called where a variant is placed: by the `optimize` command and by the task. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** The model.json of the original where it lies in a repository, less what speaks of its versions. */
export async function configBeside(modelPath: string): Promise<Record<string, unknown> | undefined> {
  const version = dirname(resolve(modelPath));
  if (!/^[1-9]\d*$/.test(basename(version))) return undefined;
  try {
    const config = JSON.parse(await readFile(join(version, '..', 'model.json'), 'utf8')) as Record<string, unknown>;
    const { labels: _, versionPolicy: __, ...rest } = config;
    return rest;
  } catch {
    // None, or one that the server refuses too.
    return undefined;
  }
}
