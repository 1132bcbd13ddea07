/**
 * The digest of a model with all it consists of: its file, and the files of external data beside it that it names. What is cached of
 * a model hangs on this, and so does whether a changed folder is loaded again. Made by model-source.ts.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DigestCache } from './digest-cache.ts';

/** Deeper folders and further files hold no external data of any exporter known. */
const maxDepth = 3;
const maxFiles = 10_000;
const chunkBytes = 1024 * 1024;

export class ModelDigest {
  readonly #digests = new DigestCache();
  /** By the model's own digest: its bytes say which files it names. */
  readonly #named = new Map<string, { readonly files: string; readonly names: readonly string[] }>();

  /**
   * SHA-256, hex: of the file alone when it names no other, else of the digests of all of them with their names.
   * @throws MODEL_FAILED when one is unreadable or keeps changing.
   */
  async digest(path: string): Promise<string> {
    const own = await this.#digests.digest(path);
    const named = await this.#namedBy(path, own);
    if (named.length === 0) return own;
    const all = createHash('sha256').update(own);
    for (const name of named) {
      const digest = await this.#digests.digest(join(dirname(path), name));
      all.update(JSON.stringify([name, digest]));
    }
    return all.digest('hex');
  }

  async #namedBy(path: string, own: string): Promise<readonly string[]> {
    const present = await filesBeside(path);
    if (present.length === 0) return present;
    const files = JSON.stringify(present);
    const known = this.#named.get(own);
    if (known?.files === files) return known.names;
    const names = await mentionedIn(path, present);
    this.#named.set(own, { files, names });
    return names;
  }
}

/** Relative to the model's folder, sorted, without the model itself. */
async function filesBeside(path: string): Promise<string[]> {
  const found: string[] = [];
  const collect = async (folder: string, prefix: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const name = prefix + entry.name;
      if (entry.isDirectory() && depth < maxDepth) await collect(join(folder, entry.name), `${name}/`, depth + 1);
      else if (entry.isFile() && name !== basename(path) && found.length < maxFiles) found.push(name);
    }
  };
  await collect(dirname(path), '', 1);
  return found.sort();
}

/** Those whose path stands in the file, as the location of external data does. A chance mention only makes the digest stricter. */
async function mentionedIn(path: string, names: readonly string[]): Promise<string[]> {
  const wanted = new Map(names.map((name) => [name, Buffer.from(name)]));
  const mentioned = new Set<string>();
  const overlap = Math.max(...[...wanted.values()].map((bytes) => bytes.length));
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const window = Buffer.allocUnsafe(chunkBytes + overlap);
    let kept = 0;
    for (;;) {
      const { bytesRead } = await file.read(window, kept, chunkBytes, null);
      if (bytesRead === 0) break;
      const filled = window.subarray(0, kept + bytesRead);
      for (const [name, bytes] of wanted) if (filled.includes(bytes)) mentioned.add(name);
      kept = Math.min(overlap, filled.length);
      window.copyWithin(0, filled.length - kept, filled.length);
    }
  } finally {
    await file.close();
  }
  return names.filter((name) => mentioned.has(name));
}
