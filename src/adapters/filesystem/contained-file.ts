/**
 * Looks at one path below the repository root and says whether it may be opened: symlinks are followed, but what they lead
 * to must lie inside the root and be a regular file. Called for every file of a model. It never opens anything,
 * so a FIFO cannot block it.
 */
import type { BigIntStats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { sep } from 'node:path';

export type Inspection =
  | { readonly kind: 'absent' }
  /** `reason` continues a sentence that begins with the file's name. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'file' | 'folder'; readonly path: string; readonly stats: BigIntStats };

/** @param root the real path of the repository root. */
export async function inspectPath(root: string, path: string): Promise<Inspection> {
  try {
    const real = await realpath(path);
    if (!isInside(root, real)) return { kind: 'refused', reason: 'leads out of the model repository' };
    const stats = await stat(real, { bigint: true });
    if (stats.isFile()) return { kind: 'file', path: real, stats };
    if (stats.isDirectory()) return { kind: 'folder', path: real, stats };
    return { kind: 'refused', reason: 'is not a regular file' };
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent' };
    return { kind: 'refused', reason: code === 'ELOOP' ? 'is a loop of links' : `cannot be read (${code})` };
  }
}

function isInside(root: string, path: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** The system's code of an I/O error, such as `ENOENT`: safe to show, unlike its message, which holds the path. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'unknown';
}
