/**
 * How much memory this process may really use: the limit of its control group (v2 or v1), never more than the machine has.
 * Called once at start, for the default memory budget of loaded models.
 */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { type ControlGroupFiles, controlGroupFolders } from './control-group.ts';

/** "max" (v2) and absent files are no limit; v1 writes a number near 2^63, which the machine's memory beats. */
function readLimit(path: string): number {
  try {
    const value = Number(readFileSync(path, 'utf8').trim());
    return value > 0 ? value : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Bytes. */
export function memoryLimitBytes(files: ControlGroupFiles = {}, machineBytes: number = totalmem()): number {
  const { unified, controller } = controlGroupFolders('memory', files);
  return Math.min(
    machineBytes,
    ...unified.map((folder) => readLimit(join(folder, 'memory.max'))),
    ...controller.map((folder) => readLimit(join(folder, 'memory.limit_in_bytes'))),
  );
}
