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
import type { LabelField } from './class-labels.ts';
import { numberLabels } from './class-labels.ts';
import { toNumbers } from './convert.ts';
import { readCsvRows } from './csv-rows.ts';
import type { ImageOptions } from './image-folder.ts';
import { readImageFolder } from './image-folder.ts';
import { readJsonRows } from './json-rows.ts';
import { parseNpy } from './npy.ts';
import type { LoadedData, Rows } from './rows.ts';
import { readZip } from './zip.ts';

export interface DataRequest {
  /** A file, or a folder of pictures. */
  readonly path: string;
  /** Name of the array, column or field with the labels, or path of a .npy file. Folders of classes are labels by themselves. */
  readonly labels?: string | undefined;
  /** By class number. */
  readonly classNames?: readonly string[] | undefined;
  /** How the model takes pictures. */
  readonly image?: Pick<ImageOptions, 'recipe' | 'size' | 'followLinks'> | undefined;
}

const kinds = '.npz, .npy, .csv or .jsonl, or a folder of pictures';

/** @throws INVALID_INPUT when the file is missing, of no known kind, empty, or does not fit the inputs. */
export async function loadData(
  inputs: readonly TensorSpec[],
  { path, labels, classNames, image }: DataRequest,
  hooks: Pick<ImageOptions, 'signal' | 'onProgress'> = {},
): Promise<LoadedData> {
  const info = await stat(path).catch(() => undefined);
  const name = basename(path);
  if (info === undefined) throw invalidInput('data', `There is no data file "${name}".`);
  if (info.isDirectory()) {
    if (labels !== undefined) {
      throw invalidInput(
        'labels',
        'The labels of pictures are the names of the folders they are in; leave out --labels.',
      );
    }
    return readImageFolder(inputs, path, name, { ...image, classNames, ...hooks });
  }
  if (info.size > 2 ** 31) throw invalidInput('data', `"${name}" is larger than 2 GiB; a few hundred rows are enough.`);
  const bytes = await readBytes(path);
  const hash = createHash('sha256')
    .update(bytes)
    .update(JSON.stringify([labels, classNames]));
  const names = new LabelNames(classNames);
  const separate = labels !== undefined && extname(labels) === '.npy' ? await readBytes(labels) : undefined;
  if (separate !== undefined) hash.update(separate);
  const given = separate && names.number(textsOf('labels', parseNpy('labels', separate)));
  const rows = readRows(inputs, name, bytes, given, given === undefined ? names.field(labels) : undefined);
  return {
    rows,
    digest: hash.digest('hex'),
    title: `${name}, ${rows.rows} rows`,
    classNames: names.classNames,
    notes: names.notes,
  };
}

/** Remembers what was found while labels were numbered. */
class LabelNames {
  classNames: readonly string[] | undefined;
  notes: readonly string[] = [];

  constructor(known: readonly string[] | undefined) {
    this.classNames = known;
  }

  number(values: readonly string[]): Float64Array {
    const { labels, classNames, notes } = numberLabels(values, this.classNames);
    this.classNames = classNames;
    this.notes = notes;
    return labels;
  }

  field(name: string | undefined): LabelField | undefined {
    return name === undefined ? undefined : { name, number: (values) => this.number(values) };
  }
}

function readRows(
  inputs: readonly TensorSpec[],
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  given: ArrayLike<number> | undefined,
  field: LabelField | undefined,
): Rows {
  const kind = extname(name).toLowerCase();
  if (given !== undefined && kind !== '.npz' && kind !== '.npy') {
    throw invalidInput(
      'labels',
      'A .npy file with labels goes with data in .npz or .npy; here name a column or field.',
    );
  }
  switch (kind) {
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

function takeLabels(
  all: Feeds,
  field: LabelField | undefined,
): { arrays: Feeds; found: ArrayLike<number> | undefined } {
  if (field === undefined) return { arrays: all, found: undefined };
  if (!Object.hasOwn(all, field.name)) {
    const names = Object.keys(all).map((name) => `"${name}"`);
    throw invalidInput('labels', `The data has no array "${field.name}" for the labels; it has ${names.join(', ')}.`);
  }
  const { [field.name]: labels, ...arrays } = all;
  return { arrays, found: field.number(textsOf(field.name, labels!)) };
}

function textsOf(name: string, tensor: Tensor): string[] {
  return Array.isArray(tensor.data) ? tensor.data : Array.from(toNumbers(name, tensor), String);
}
