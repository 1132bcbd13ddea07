/**
 * Where the files of this process's control groups lie: its own folder and every folder above, because each may set a limit.
 * Called by cores.ts and memory-limit.ts. Must never throw: without control groups there are no folders.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ControlGroupFiles {
  /** @default '/sys/fs/cgroup' */
  readonly root?: string;
  /** @default '/proc/self/cgroup' */
  readonly membership?: string;
}

/** `/a/b` -> `/a/b`, `/a`, `/`. In a container the path may be the host's and absent here; the last one always exists. */
function withAncestors(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return Array.from({ length: parts.length + 1 }, (_, cut) => `/${parts.slice(0, parts.length - cut).join('/')}`);
}

/**
 * @param controllerName `cpu` or `memory`.
 * @returns folders of the unified (v2) hierarchy and of the controller's own (v1) one; those without the file are skipped by the reader.
 */
export function controlGroupFolders(
  controllerName: string,
  { root = '/sys/fs/cgroup', membership = '/proc/self/cgroup' }: ControlGroupFiles,
): { readonly unified: readonly string[]; readonly controller: readonly string[] } {
  let lines: string[];
  try {
    lines = readFileSync(membership, 'utf8').split('\n');
  } catch {
    return { unified: [], controller: [] };
  }
  const unified: string[] = [];
  const controller: string[] = [];
  for (const line of lines) {
    // "0::/path" is v2, "4:cpu,cpuacct:/path" is v1. A path may hold colons.
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const names = match[1]!;
    const folders = withAncestors(match[2]!);
    if (names === '') unified.push(...folders.map((folder) => join(root, folder)));
    else if (names.split(',').includes(controllerName)) {
      // Distributions mount either "cpu,cpuacct" or a link "cpu".
      for (const mount of new Set([names, controllerName])) {
        controller.push(...folders.map((folder) => join(root, mount, folder)));
      }
    }
  }
  return { unified, controller };
}
