/**
 * SHA-256 of model files, computed once per content: remembered by path, size, times and inode. Concurrent callers share
 * one reading. Called through the model source by the registry at each load. It must never answer for a file that changed
 * while it was read.
 */
import { createHash } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { HotpathError } from '../../core/errors.ts';
import { errorCode } from './contained-file.ts';

interface Remembered {
  readonly stamp: string;
  readonly digest: Promise<string>;
}

/** A file that is still being copied changes again and again; its next change is seen by the watcher. */
const maxAttempts = 3;
/** About 0.2 ms of hashing between two looks at the event loop. */
const chunkBytes = 256 * 1024;

export class DigestCache {
  readonly #remembered = new Map<string, Remembered>();

  /** @throws MODEL_FAILED when the file is gone, unreadable, no regular file, or keeps changing. */
  async digest(path: string): Promise<string> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const stamp = await stampOf(path);
      const digest = await this.#digestOf(path, stamp);
      if ((await stampOf(path)) === stamp) return digest;
    }
    throw failed('The model file keeps changing while it is read.');
  }

  #digestOf(path: string, stamp: string): Promise<string> {
    const known = this.#remembered.get(path);
    if (known?.stamp === stamp) return known.digest;
    const digest = hashFile(path);
    this.#remembered.set(path, { stamp, digest });
    // A failure is not remembered; the caller awaits the same promise and sees it.
    digest.catch(() => this.#remembered.delete(path));
    return digest;
  }
}

async function stampOf(path: string): Promise<string> {
  try {
    return stampFrom(await stat(path, { bigint: true }));
  } catch (error) {
    throw unreadable(error);
  }
}

/** The change time is in it because copies may keep size and modification time. */
function stampFrom(stats: BigIntStats): string {
  return `${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}:${stats.ino}:${stats.dev}`;
}

async function hashFile(path: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await file.stat()).isFile()) throw failed('The model file is not a regular file.');
    return await hash(file);
  } catch (error) {
    throw unreadable(error);
  } finally {
    await file?.close();
  }
}

async function hash(file: FileHandle): Promise<string> {
  const sha256 = createHash('sha256');
  const chunk = new Uint8Array(chunkBytes);
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunkBytes, null);
    if (bytesRead === 0) return sha256.digest('hex');
    sha256.update(bytesRead === chunkBytes ? chunk : chunk.subarray(0, bytesRead));
  }
}

function unreadable(error: unknown): HotpathError {
  if (error instanceof HotpathError) return error;
  const code = errorCode(error);
  return failed(code === 'ENOENT' ? 'The model file is gone.' : `The model file cannot be read (${code}).`);
}

function failed(message: string): HotpathError {
  return new HotpathError('MODEL_FAILED', message);
}
