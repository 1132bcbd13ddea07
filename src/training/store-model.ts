/**
 * Puts a model into a model repository: <dir>/<name>/<version>/model.onnx and, when given, <dir>/<name>/model.json.
 * Called by whatever makes models. Files appear by rename, so a server that watches never reads half a file.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidInput } from '../core/errors.ts';
import type { ModelConfig } from '../ports/model-source.ts';

/**
 * Writes the config first, so that the model is never seen without it, and returns the path of the model file.
 * @param version a positive integer as text, e.g. "1"
 * @throws INVALID_INPUT for a name or version that could not be served, or would leave the repository.
 */
export async function storeModel(
  repositoryDir: string,
  name: string,
  version: string,
  bytes: Uint8Array,
  config?: ModelConfig,
): Promise<string> {
  checkModelName(name);
  if (!/^[1-9][0-9]{0,14}$/.test(version)) throw invalidInput('version', 'A model version is a positive integer.');
  const modelDir = join(repositoryDir, name);
  const versionDir = join(modelDir, version);
  await mkdir(versionDir, { recursive: true });
  if (config !== undefined) await replaceFile(modelDir, 'model.json', `${JSON.stringify(config, null, 2)}\n`);
  return await replaceFile(versionDir, 'model.onnx', bytes);
}

/** @throws INVALID_INPUT */
export function checkModelName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) return;
  throw invalidInput(
    'name',
    'A model name has letters, digits, dots, dashes and underscores, and starts with a letter or digit.',
  );
}

/** Writes by rename and returns the path. The temporary file lies in the same folder, because a rename is atomic only within one file system. */
export async function replaceFile(dir: string, fileName: string, content: string | Uint8Array): Promise<string> {
  const path = join(dir, fileName);
  const temporary = join(dir, `.${fileName}.${randomUUID()}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return path;
}
