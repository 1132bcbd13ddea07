/**
 * Calibration and validation data of any supported kind as rows for a model. Called by the `optimize` command. Messages name arrays,
 * lines and columns, and the file only by its last part.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { invalidInput } from '../../core/errors.ts';
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import { parseCsv } from '../../training/csv.ts';
import type { Feeds } from '../pass.ts';
import { bindArrays } from './bind-arrays.ts';
import { toNumbers } from './convert.ts';
import { readCsvRows } from './csv-rows.ts';
import { readJsonRows } from './json-rows.ts';
import { parseNpy } from './npy.ts';
import type { Rows } from './rows.ts';
import { readZip } from './zip.ts';

export interface LoadedData {
  readonly rows: Rows;
  /** SHA-256 of the files, hex. */
  readonly digest: string;
  /** How people call it: `calib.npz, 300 rows`. */
  readonly title: string;
}

const kinds = '.npz, .npy, .csv or .jsonl';

/**
 * @param labels name of the array, column or field with the labels, or path of a .npy file
 * @throws INVALID_INPUT when the file is missing, of no known kind, empty, or does not fit the inputs.
 */
export async function loadData(inputs: readonly TensorSpec[], path: string, labels?: string): Promise<LoadedData> {
  const info = await stat(path).catch(() => undefined);
  const name = basename(path);
  if (info === undefined) throw invalidInput('data', `There is no data file "${name}".`);
  if (info.isDirectory()) throw folderOfImages(name);
  if (info.size > 2 ** 31) throw invalidInput('data', `"${name}" is larger than 2 GiB; a few hundred rows are enough.`);
  const bytes = await readBytes(path);
  const hash = createHash('sha256').update(bytes);
  const labelsFile = labels !== undefined && extname(labels) === '.npy' ? await readBytes(labels) : undefined;
  if (labelsFile !== undefined) hash.update(labelsFile);
  const labelArray = labelsFile && toNumbers('labels', parseNpy('labels', labelsFile));
  const rows = readRows(inputs, name, bytes, labelArray === undefined ? labels : labelArray);
  return { rows, digest: hash.update(String(labels)).digest('hex'), title: `${name}, ${rows.rows} rows` };
}

function readRows(
  inputs: readonly TensorSpec[],
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  labels: string | ArrayLike<number> | undefined,
): Rows {
  const field = typeof labels === 'string' ? labels : undefined;
  const given = typeof labels === 'string' ? undefined : labels;
  switch (extname(name).toLowerCase()) {
    case '.npz': {
      const { arrays, found } = takeLabels(readNpz(bytes), field);
      return bindArrays(inputs, arrays, given ?? found);
    }
    case '.npy':
      return bindArrays(inputs, { [inputs[0]?.name ?? '']: parseNpy(name, bytes) }, given);
    case '.csv':
      return readCsvRows(inputs, parseCsv(Buffer.from(bytes).toString('utf8')), field);
    case '.jsonl':
    case '.ndjson':
      return readJsonRows(inputs, Buffer.from(bytes).toString('utf8'), field);
    default:
      throw invalidInput('data', `"${name}" is of no known kind. Expected ${kinds}.`);
  }
}

async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { buffer, byteOffset, length } = await readFile(path);
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw invalidInput('data', `"${basename(path)}" cannot be read (${code}).`);
  }
}

/** Arrays of an .npz by name. @throws INVALID_INPUT */
export function readNpz(bytes: Uint8Array<ArrayBuffer>): Record<string, Tensor> {
  const arrays: Record<string, Tensor> = Object.create(null);
  for (const member of readZip(bytes)) {
    if (!member.name.endsWith('.npy')) continue;
    const name = member.name.slice(0, -'.npy'.length);
    arrays[name] = parseNpy(name, member.read());
  }
  return arrays;
}

function takeLabels(all: Feeds, field: string | undefined): { arrays: Feeds; found: ArrayLike<number> | undefined } {
  if (field === undefined) return { arrays: all, found: undefined };
  if (!Object.hasOwn(all, field)) {
    const names = Object.keys(all).map((name) => `"${name}"`);
    throw invalidInput('labels', `The data has no array "${field}" for the labels; it has ${names.join(', ')}.`);
  }
  const { [field]: labels, ...arrays } = all;
  return { arrays, found: toNumbers(field, labels!) };
}

function folderOfImages(name: string): Error {
  return invalidInput(
    'data',
    `"${name}" is a folder. Images cannot be decoded here: prepare them as the model expects them (size, channel order, scale) ` +
      'and save them as one array, for instance with numpy.save("images.npy", images) of shape [rows, 3, 224, 224].',
  );
}
