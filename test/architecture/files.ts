/** Files of the repository for the tests about it: tracked or new, never ignored ones. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Paths relative to the root, with forward slashes. Works without git too, as in an unpacked archive. */
export function listFiles(folder: string, extension: string): string[] {
  const start = join(root, folder);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => !/(^|\/)(node_modules|dist|\.git|\.hotpath|models)\//.test(path))
    .sort();
}

/** Markdown files that belong to the repository. */
export function listMarkdown(): string[] {
  try {
    const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return String(list)
      .split('\n')
      .filter((path) => path !== '' && existsSync(join(root, path)))
      .sort();
  } catch {
    return listFiles('.', '.md');
  }
}
