/**
 * Reads one model folder: `<name>/model.json` and `<name>/<version>/model.onnx`. Called by model-source.ts for each name.
 * What is broken is said in the entry; it never throws for the contents of the folder and never reads a model file.
 */
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HotpathError } from '../../core/errors.ts';
import type { ModelConfig, ModelEntry, ModelFile } from '../../ports/model-source.ts';
import { inspectPath } from './contained-file.ts';

export type ParseConfig = (json: unknown) => ModelConfig;

/** A model.json with a hundred thousand class names fits; a model renamed to model.json does not. */
const maxConfigBytes = 8 * 1024 * 1024;

/** Letters, digits, dot, underscore, minus; the first is no dot, so neither `..` nor hidden folders are models. */
export function isModelName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name);
}

/** A positive integer without leading zeros, small enough to be exact as a number. */
export function isVersion(name: string): boolean {
  return /^[1-9][0-9]{0,14}$/.test(name);
}

/** @returns undefined when there is no such folder. */
export async function readModelFolder(root: string, name: string, parse: ParseConfig): Promise<ModelEntry | undefined> {
  const folder = await inspectPath(root, join(root, name));
  if (folder.kind === 'refused') return broken(name, `The model folder ${folder.reason}.`);
  if (folder.kind !== 'folder') return undefined;
  const names = await namesIn(folder.path);
  const versions = await Promise.all(names.filter(isVersion).map((version) => readVersion(root, folder.path, version)));
  const found = versions.filter((file) => file !== undefined).sort((a, b) => Number(a.version) - Number(b.version));
  if (!names.includes('model.json')) return { name, versions: found, config: {} };
  try {
    return { name, versions: found, config: parse(await readConfig(root, join(folder.path, 'model.json'))) };
  } catch (error) {
    const reason = error instanceof HotpathError ? error.message : 'model.json could not be read.';
    return { name, versions: found, config: {}, configError: reason };
  }
}

/** Names in a folder, or none when it is not there (any more). */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

function broken(name: string, configError: string): ModelEntry {
  return { name, versions: [], config: {}, configError };
}

async function readVersion(root: string, folder: string, version: string): Promise<ModelFile | undefined> {
  const path = join(folder, version, 'model.onnx');
  const found = await inspectPath(root, path);
  if (found.kind === 'absent') return undefined;
  if (found.kind === 'file') {
    const { size, mtimeNs } = found.stats;
    return { version, path: found.path, sizeBytes: Number(size), modifiedMs: Number(mtimeNs) / 1e6 };
  }
  const reason = found.kind === 'refused' ? found.reason : 'is a folder';
  return { version, path, sizeBytes: 0, modifiedMs: 0, problem: `The file model.onnx ${reason}.` };
}

async function readConfig(root: string, path: string): Promise<unknown> {
  const found = await inspectPath(root, path);
  if (found.kind === 'refused') throw configFailure(found.reason);
  if (found.kind !== 'file') throw configFailure('is not a regular file');
  if (found.stats.size > maxConfigBytes) throw configFailure('is larger than 8 MiB');
  const written = await readText(found.path);
  try {
    return JSON.parse(written);
  } catch (error) {
    throw configFailure(`is not valid JSON: ${(error as SyntaxError).message}`);
  }
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

function configFailure(reason: string): HotpathError {
  return new HotpathError('MODEL_FAILED', `model.json ${reason}.`);
}
