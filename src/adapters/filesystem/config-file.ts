/**
 * Reads one file of a model's folder (model.json, config.pbtxt, labels, states) after looking at it: inside the repository, a
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
  const bytes = await readDataFile(root, folder, name, maxBytes, title);
  return bytes.toString('utf8').replace(/^\uFEFF/, '');
}

/** As `readConfigFile`, for files that are no text. @throws MODEL_FAILED saying what is wrong with the file. */
export async function readDataFile(
  root: string,
  folder: string,
  name: string,
  maxBytes: number,
  title = name,
): Promise<Buffer> {
  const found = await inspectPath(root, join(folder, name));
  if (found.kind === 'refused') throw fileProblem(title, found.reason);
  if (found.kind === 'absent') throw fileProblem(title, 'is absent');
  if (found.kind !== 'file') throw fileProblem(title, 'is not a regular file');
  if (found.stats.size > maxBytes) throw fileProblem(title, `is larger than ${maxBytes / 2 ** 20} MiB`);
  return readAll(found.path);
}

export function fileProblem(title: string, reason: string): HotpathError {
  return new HotpathError('MODEL_FAILED', `${title} ${reason}.`);
}

/** O_NONBLOCK: should the file have become a FIFO since it was inspected, opening it must not hang. */
async function readAll(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}
