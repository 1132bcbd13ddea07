/**
 * A folder of pictures as rows for a model: pictures in it, or in folders named after their classes. Called by load-data.ts. Pictures are
 * kept as bytes of the model's size, a quarter of what the tensors would take.
 */
import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { TensorSpec } from '../../core/tensor.ts';
import type { ImageInput, ImageSize } from '../../vision/image-input.ts';
import { imageInputOf, parseImageSize } from '../../vision/image-input.ts';
import type { ImageRecipe } from '../../vision/image-recipe.ts';
import { describeImageRecipes, parseImageRecipe } from '../../vision/image-recipe.ts';
import { PixelPacker, type Pixels } from '../../vision/pack-pixels.ts';
import { pictureKinds, readPicture } from '../../vision/read-picture.ts';
import type { Feeds } from '../pass.ts';
import { numberLabels } from './class-labels.ts';
import { checkRange, type Labels, type LoadedData, type Rows, takeLabels } from './rows.ts';

export interface ImageOptions {
  /** @default refused: a wrong one would make every figure of quality meaningless */
  readonly recipe?: ImageRecipe | undefined;
  /** For models that take any size. */
  readonly size?: ImageSize | undefined;
  /** Links may lead anywhere: not to be followed in folders that others write to. @default true */
  readonly followLinks?: boolean | undefined;
  readonly classNames?: readonly string[] | undefined;
  readonly onProgress?: ((share: number, what: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** From texts such as `imagenet` and `224x224`. @throws INVALID_INPUT naming what is not understood */
export function parseImageOptions(
  recipe: string | undefined,
  size: string | undefined,
): Pick<ImageOptions, 'recipe' | 'size'> {
  return {
    recipe: recipe === undefined ? undefined : parseImageRecipe(recipe),
    size: size === undefined ? undefined : parseImageSize(size),
  };
}

/** Of the pixels of all pictures together. */
const mostBytes = 2 ** 30;
/** Calibration and verification take no more. */
const mostPictures = 5000;
/** libvips works on threads of its own: as many as it has, and one that waits. */
const atOnce = 3;

interface PictureFile {
  readonly path: string;
  /** For messages: below the folder. */
  readonly name: string;
  /** The folder it is in, when that stands for a class. */
  readonly label: string | undefined;
}

/** @throws INVALID_INPUT naming the picture, the folder or the input */
export async function readImageFolder(
  inputs: readonly TensorSpec[],
  folder: string,
  name: string,
  options: ImageOptions,
): Promise<LoadedData> {
  const { recipe, size, followLinks = true, classNames: known, signal, onProgress } = options;
  const input = imageInputOf(inputs, size);
  if (recipe === undefined) {
    throw invalidInput('image', `How does the model take pictures? Say it with --image. ${describeImageRecipes()}`);
  }
  const all = await listPictures(folder, followLinks);
  if (all.length === 0) {
    throw invalidInput('data', `There are no pictures in "${name}" (${pictureKinds.join(', ')}).`);
  }
  const perPicture = input.channels * input.height * input.width;
  const files = evenly(all, Math.max(2, Math.min(mostPictures, Math.floor(mostBytes / perPicture))));
  const numbered =
    files[0]!.label === undefined
      ? undefined
      : numberLabels(
          files.map(({ label }) => label!),
          known,
        );
  const { pictures, broken } = await readAll(files, input, recipe, { signal, onProgress });
  const labels = numbered && Float64Array.from(pictures, ({ index }) => numbered.labels[index]!);
  const rows = new PictureRows(
    new PixelPacker(input, recipe),
    input.name,
    pictures.map(({ pixels }) => pixels),
    labels,
  );
  const notes = [...(numbered?.notes ?? []), ...broken];
  if (files.length < all.length) notes.push(`${files.length} of the ${all.length} pictures were taken, evenly.`);
  return {
    rows,
    digest: await digestOf(files, { ...options, input }),
    title: `${name}, ${rows.rows} pictures`,
    classNames: numbered?.classNames ?? known,
    notes,
  };
}

/** Sorted, so that the same folder gives the same rows. Either all lie in folders of a class, or none does. */
async function listPictures(folder: string, followLinks: boolean): Promise<PictureFile[]> {
  const isPicture = (entry: Dirent): boolean =>
    !entry.name.startsWith('.') &&
    (pictureKinds as readonly string[]).includes(extname(entry.name).toLowerCase()) &&
    (entry.isFile() || (followLinks && entry.isSymbolicLink()));
  const entries = await sorted(folder);
  const here = entries
    .filter(isPicture)
    .map(({ name }): PictureFile => ({ path: join(folder, name), name, label: undefined }));
  if (here.length > 0) return here;
  const below: PictureFile[] = [];
  for (const { name: label } of entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))) {
    for (const { name } of (await sorted(join(folder, label))).filter(isPicture)) {
      below.push({ path: join(folder, label, name), name: `${label}/${name}`, label });
    }
  }
  return below;
}

async function sorted(folder: string): Promise<Dirent[]> {
  return (await readdir(folder, { withFileTypes: true })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function evenly<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, index) => items[Math.floor((index * items.length) / most)]!);
}

async function readAll(
  files: readonly PictureFile[],
  input: ImageInput,
  recipe: ImageRecipe,
  { signal, onProgress }: Pick<ImageOptions, 'signal' | 'onProgress'>,
): Promise<{ pictures: { index: number; pixels: Pixels }[]; broken: string[] }> {
  const read: (Pixels | undefined)[] = new Array(files.length).fill(undefined);
  const complaints: string[] = [];
  let [next, done] = [0, 0];
  const worker = async (): Promise<void> => {
    while (next < files.length) {
      signal?.throwIfAborted();
      const index = next++;
      const { path, name } = files[index]!;
      try {
        read[index] = await readPicture(path, input, recipe);
      } catch (error) {
        if (!(error instanceof HotpathError)) throw error;
        complaints.push(`${name}: ${error.message}`);
      }
      onProgress?.(++done / files.length, `reading picture ${done} of ${files.length}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const pictures = read.flatMap((pixels, index) => (pixels === undefined ? [] : [{ index, pixels }]));
  if (pictures.length === 0) throw invalidInput('data', `No picture could be read. ${complaints[0]}`);
  if (complaints.length === 0) return { pictures, broken: [] };
  const what = complaints.length === 1 ? '1 picture was' : `${complaints.length} pictures were`;
  return { pictures, broken: [`${what} left out. ${complaints.sort()[0]}`] };
}

/** By name, size and time of change: reading all bytes again for a digest would cost as much as decoding them. */
async function digestOf(files: readonly PictureFile[], settings: object): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify({ ...settings, onProgress: undefined, signal: undefined }));
  for (const { path, name } of files) {
    const { size, mtimeMs } = await stat(path);
    hash.update(`${name}\n${size}\n${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

class PictureRows implements Rows {
  readonly joinable = true;
  readonly rows: number;
  readonly labels: Labels;
  readonly #packer: PixelPacker;
  readonly #input: string;
  readonly #pictures: readonly Pixels[];

  constructor(packer: PixelPacker, input: string, pictures: readonly Pixels[], labels: Labels) {
    this.rows = pictures.length;
    this.labels = labels;
    this.#packer = packer;
    this.#input = input;
    this.#pictures = pictures;
  }

  slice(start: number, count: number): Feeds {
    checkRange(this.rows, start, count);
    return { [this.#input]: this.#packer.pack(this.#pictures.slice(start, start + count)) };
  }

  take(rows: readonly number[]): PictureRows {
    const pictures = rows.map((row) => this.#pictures[row]!);
    return new PictureRows(this.#packer, this.#input, pictures, takeLabels(this.labels, rows));
  }
}
