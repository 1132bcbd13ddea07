/**
 * Reads one text file of a model's folder (model.json, config.pbtxt, labels) after looking at it: inside the repository, a
 * regular file, not too large. Called by model-folder.ts and triton-folder.ts. Its errors continue with the file's name, not its path.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { HotpathError } from '../../core/errors.ts';
import { inspectPath } from './contained-file.ts';

/**
 * @param title what the messages call the file
 * @throws MODEL_FAILED saying what is wrong with the file.
 */
export async function readConfigFile(
  root: string,
  folder: string,
  name: string,
  maxBytes: number,
  title = name,
): Promise<string> {
  const found = await inspectPath(root, join(folder, name));
  if (found.kind === 'refused') throw fileProblem(title, found.reason);
  if (found.kind === 'absent') throw fileProblem(title, 'is absent');
  if (found.kind !== 'file') throw fileProblem(title, 'is not a regular file');
  if (found.stats.size > maxBytes) throw fileProblem(title, `is larger than ${maxBytes / 2 ** 20} MiB`);
  return readText(found.path);
}

export function fileProblem(title: string, reason: string): HotpathError {
  return new HotpathError('MODEL_FAILED', `${title} ${reason}.`);
}

/** O_NONBLOCK: should the file have become a FIFO since it was inspected, opening it must not hang. */
async function readText(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return (await file.readFile('utf8')).replace(/^\uFEFF/, '');
  } finally {
    await file.close();
  }
}
