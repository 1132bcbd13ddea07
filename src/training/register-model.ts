/**
 * Puts a trained model into a model repository as the next version. Called by the `train` command. The version folder is filled under
 * another name and then renamed, so that a server that watches sees all of it or nothing; two that register at once get two versions.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HotpathError } from '../core/errors.ts';
import type { ModelConfig } from '../ports/model-source.ts';
import { checkModelName, replaceFile } from './store-model.ts';

/**
 * Fields of an existing model.json that `config` does not have are kept. Returns the version.
 * @throws INVALID_INPUT for a name that could not be served, and for a model.json or config.pbtxt that it must not touch.
 */
export async function registerModel(
  repositoryDir: string,
  name: string,
  bytes: Uint8Array,
  config: ModelConfig,
): Promise<string> {
  checkModelName(name);
  const modelDir = join(repositoryDir, name);
  await mkdir(modelDir, { recursive: true });
  const merged = { ...(await readConfig(modelDir, name)), ...config };
  const staged = join(modelDir, `.version.${randomUUID()}.tmp`);
  try {
    await mkdir(staged);
    await replaceFile(staged, 'model.onnx', bytes);
    await replaceFile(modelDir, 'model.json', `${JSON.stringify(merged, null, 2)}\n`);
    return await claimVersion(modelDir, staged);
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    throw error;
  }
}

async function readConfig(modelDir: string, name: string): Promise<object> {
  const names = await readdir(modelDir);
  if (names.includes('config.pbtxt')) {
    throw new HotpathError('INVALID_INPUT', `Model "${name}" has a config.pbtxt; register under another name.`);
  }
  if (!names.includes('model.json')) return {};
  try {
    const parsed: unknown = JSON.parse(await readFile(join(modelDir, 'model.json'), 'utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new HotpathError('INVALID_INPUT', `The model.json of model "${name}" is no JSON object; repair it first.`);
}

/** A folder that is not empty cannot be renamed over: whoever comes second tries the next number. */
async function claimVersion(modelDir: string, staged: string): Promise<string> {
  for (;;) {
    const taken = (await readdir(modelDir)).filter((entry) => /^[1-9][0-9]{0,14}$/.test(entry)).map(Number);
    const version = String(Math.max(0, ...taken) + 1);
    try {
      await rename(staged, join(modelDir, version));
      return version;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
  }
}
