/**
 * Reads one model folder: `<name>/model.json` or Triton's `<name>/config.pbtxt`, and `<name>/<version>/model.onnx`. Called by
 * model-source.ts for each name. What is broken is said in the entry; it never throws for the contents of the folder and never
 * reads a model file.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HotpathError } from '../../core/errors.ts';
import type { ModelConfig, ModelEntry, ModelFile } from '../../ports/model-source.ts';
import type { ModelTuning, ReadTuning } from '../../ports/tuning.ts';
import { fileProblem, readConfigFile } from './config-file.ts';
import { inspectPath } from './contained-file.ts';
import { readTritonParts, type TritonParts, type TritonReader, tritonConfigName } from './triton-folder.ts';

export type ParseConfig = (json: unknown) => ModelConfig;

/** What the contents of configuration files mean; comes from the composition root. */
export interface ConfigParsers {
  /** model.json */
  readonly parseConfig: ParseConfig;
  /** config.pbtxt and label files; without it those files are ignored. */
  /** Loaded when the first folder needs it. */
  readonly triton?: (() => Promise<TritonReader>) | undefined;
  /** tuning.json; without it that file is ignored. */
  readonly readTuning?: ReadTuning | undefined;
}

/** A model.json with a hundred thousand class names fits; a model renamed to model.json does not. */
const maxConfigBytes = 8 * 1024 * 1024;
const tuningName = 'tuning.json';

/** Letters, digits, dot, underscore, minus; the first is no dot, so neither `..` nor hidden folders are models. */
export function isModelName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name);
}

/** A positive integer without leading zeros, small enough to be exact as a number. */
export function isVersion(name: string): boolean {
  return /^[1-9][0-9]{0,14}$/.test(name);
}

/**
 * @param given Triton's configuration as JSON, in force instead of the files of the folder
 * @returns undefined when there is no such folder.
 */
export async function readModelFolder(
  root: string,
  name: string,
  parsers: ConfigParsers,
  given?: object,
): Promise<ModelEntry | undefined> {
  const folder = await inspectPath(root, join(root, name));
  if (folder.kind === 'refused') return broken(name, `The model folder ${folder.reason}.`);
  if (folder.kind !== 'folder') return undefined;
  const names = await namesIn(folder.path);
  const read = await readParts(root, folder.path, name, names, parsers, given);
  if (read.config.pipeline !== undefined) return { name, versions: versionsWithoutFile(folder.path, names), ...read };
  if (read.config.engine === 'remote') {
    return { name, versions: await remoteVersions(root, folder.path, names), ...read };
  }
  const fileName = read.triton?.modelFile ?? 'model.onnx';
  const versions = await Promise.all(
    names.filter(isVersion).map((version) => readVersion(root, folder.path, version, fileName, read)),
  );
  const found = versions.filter((file) => file !== undefined).sort((a, b) => Number(a.version) - Number(b.version));
  const tuning = names.includes(tuningName) ? await readTuningFile(root, folder.path, parsers) : undefined;
  return { name, versions: found, ...read, ...(tuning === undefined ? {} : { tuning }) };
}

/** Whatever is wrong with it is a note: a model runs without its tuning too. */
async function readTuningFile(
  root: string,
  folder: string,
  { readTuning }: ConfigParsers,
): Promise<ModelTuning | undefined> {
  try {
    return readTuning?.(await readConfigFile(root, folder, tuningName, maxConfigBytes));
  } catch (error) {
    const reason = error instanceof HotpathError ? error.message : `${tuningName} could not be read.`;
    return { entries: [], others: false, problem: `The tuning is not used: ${reason}` };
  }
}

/** An entry without its name and its versions. */
interface Parts extends TritonParts {
  readonly configError?: string;
}

async function readParts(
  root: string,
  folder: string,
  name: string,
  names: readonly string[],
  { parseConfig, triton }: ConfigParsers,
  given: object | undefined,
): Promise<Parts> {
  const native = given === undefined && names.includes('model.json');
  const foreign = triton !== undefined && (given !== undefined || names.includes(tritonConfigName));
  if (native && foreign) {
    return { config: {}, configError: 'The folder holds both model.json and config.pbtxt; keep one of them.' };
  }
  try {
    if (native) return { config: parseConfig(await readJson(root, folder)) };
    return foreign ? await readTritonParts(root, folder, name, await triton(), given) : { config: {} };
  } catch (error) {
    const file = native ? 'model.json' : tritonConfigName;
    return { config: {}, configError: error instanceof HotpathError ? error.message : `${file} could not be read.` };
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

async function readVersion(
  root: string,
  folder: string,
  version: string,
  fileName: string,
  { configError }: Parts,
): Promise<ModelFile | undefined> {
  const path = join(folder, version, fileName);
  const found = await inspectPath(root, path);
  if (found.kind === 'file') {
    const { size, mtimeNs } = found.stats;
    return { version, path: found.path, sizeBytes: Number(size), modifiedMs: Number(mtimeNs) / 1e6 };
  }
  if (found.kind === 'absent') {
    // A model of another platform has other files in its versions; they are shown as failed rather than not at all.
    return configError === undefined ? undefined : { version, path, sizeBytes: 0, modifiedMs: 0, problem: configError };
  }
  const reason = found.kind === 'refused' ? found.reason : 'is a folder';
  return { version, path, sizeBytes: 0, modifiedMs: 0, problem: `The file ${fileName} ${reason}.` };
}

/** A pipeline has no file: its version folders may be empty, and without any it has version 1. */
function versionsWithoutFile(folder: string, names: readonly string[]): ModelFile[] {
  const versions = names.filter(isVersion).sort((a, b) => Number(a) - Number(b));
  return (versions.length === 0 ? ['1'] : versions).map((version) => {
    return { version, path: join(folder, version), sizeBytes: 0, modifiedMs: 0 };
  });
}

/** Other servers run the model: what stands for its file, also as its digest, is the model.json that names them. */
async function remoteVersions(root: string, folder: string, names: readonly string[]): Promise<ModelFile[]> {
  const found = await inspectPath(root, join(folder, 'model.json'));
  if (found.kind !== 'file') return [];
  const { size, mtimeNs } = found.stats;
  const file = { path: found.path, sizeBytes: Number(size), modifiedMs: Number(mtimeNs) / 1e6 };
  return versionsWithoutFile(folder, names).map(({ version }) => ({ ...file, version }));
}

async function readJson(root: string, folder: string): Promise<unknown> {
  const written = await readConfigFile(root, folder, 'model.json', maxConfigBytes);
  try {
    return JSON.parse(written);
  } catch (error) {
    throw fileProblem('model.json', `is not valid JSON: ${(error as SyntaxError).message}`);
  }
}
