/**
 * The files beside a model that hold its tensors: checked once at load, then read by ranges, never as a whole.
 * Called by load.ts through constants. Never reads outside the model's folder: a location that leaves it, by its text, by a
 * link or by a second hard link, is refused, at load and again at every read.
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { invalidInput } from '../../core/errors.ts';

export interface ExternalRange {
  /** Path below the model's folder. */
  readonly location: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface ExternalReader {
  /** The model file itself, where there is one: never to be written over. */
  readonly modelPath: string | undefined;
  /** The size of the file, after all checks. @throws INVALID_INPUT */
  sizeOf(location: string, tensor: string): number;
  read(range: ExternalRange, tensor: string): Uint8Array;
}

/** For models that came as bytes: there is no folder to look into. */
export const noExternalFiles: ExternalReader = {
  modelPath: undefined,
  sizeOf: (_, tensor) => {
    throw refusal(tensor, 'lies in a file beside the model, and the model was given without a folder');
  },
  read: (_, tensor) => {
    throw refusal(tensor, 'lies in a file beside the model, and the model was given without a folder');
  },
};

/** Linux reads at most 2 GiB at once. */
const mostAtOnceBytes = 2 ** 30;

function refusal(tensor: string, what: string): Error {
  return invalidInput(tensor, `The data of tensor "${tensor}" ${what}.`);
}

/** @param folder where the data lies, which is that of the model file */
export function externalFiles(folder: string, modelPath?: string): ExternalReader {
  const sizes = new Map<string, number>();
  return {
    modelPath,
    sizeOf(location, tensor) {
      let size = sizes.get(location);
      if (size === undefined) {
        size = withFile(folder, location, tensor, (_, sizeBytes) => sizeBytes);
        sizes.set(location, size);
      }
      return size;
    },
    read: ({ location, offsetBytes, lengthBytes }, tensor) =>
      withFile(folder, location, tensor, (descriptor, sizeBytes) => {
        if (offsetBytes + lengthBytes > sizeBytes) throw refusal(tensor, 'is no longer there: the file became shorter');
        return readRange(descriptor, offsetBytes, lengthBytes);
      }),
  };
}

/** Bytes of an open file, of any size. */
export function readRange(descriptor: number, offsetBytes: number, lengthBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(lengthBytes);
  for (let done = 0; done < lengthBytes; ) {
    const count = readSync(descriptor, bytes, done, Math.min(mostAtOnceBytes, lengthBytes - done), offsetBytes + done);
    if (count === 0) throw invalidInput('model', 'The model file became shorter while it was read.');
    done += count;
  }
  return bytes;
}

function withFile<T>(
  folder: string,
  location: string,
  tensor: string,
  use: (descriptor: number, sizeBytes: number) => T,
): T {
  const path = resolveInside(folder, location, tensor);
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    throw refusal(tensor, 'lies in a file that cannot be opened, or that is a link');
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw refusal(tensor, 'lies in something that is no file');
    if (stat.nlink > 1)
      throw refusal(tensor, 'lies in a file with a second hard link, which may belong to somebody else');
    return use(descriptor, stat.size);
  } finally {
    closeSync(descriptor);
  }
}

function resolveInside(folder: string, location: string, tensor: string): string {
  const outside = () => refusal(tensor, 'lies outside the folder of the model');
  const parts = location.split(/[/\\]/);
  if (location === '' || isAbsolute(location) || parts.includes('..') || location.includes('\0')) throw outside();
  const root = realpathSync(folder);
  const path = join(root, location);
  let parent: string;
  try {
    parent = realpathSync(dirname(path));
  } catch {
    throw refusal(tensor, 'lies in a folder that does not exist');
  }
  // Compared after links are followed; the file itself must be none.
  const way = relative(root, parent);
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) throw outside();
  return path;
}
