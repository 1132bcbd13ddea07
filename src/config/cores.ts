/**
 * How many cores this process may really use: the quota of its control group (v2 or v1), never more than the scheduler
 * offers. Called once at start. `os.cpus()` counts the machine's cores and oversubscribes every container.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type ControlGroupFiles, controlGroupFolders } from './control-group.ts';

function readNumbers(path: string): number[] | undefined {
  try {
    return readFileSync(path, 'utf8').trim().split(/\s+/).map(Number);
  } catch {
    return undefined;
  }
}

/** `max 100000` or `150000 100000`: quota and period in microseconds. */
function quotaV2(folder: string): number {
  const [quota, period] = readNumbers(join(folder, 'cpu.max')) ?? [];
  return quota !== undefined && period !== undefined && quota > 0 && period > 0
    ? quota / period
    : Number.POSITIVE_INFINITY;
}

function quotaV1(folder: string): number {
  const [quota] = readNumbers(join(folder, 'cpu.cfs_quota_us')) ?? [];
  const [period] = readNumbers(join(folder, 'cpu.cfs_period_us')) ?? [];
  return quota !== undefined && period !== undefined && quota > 0 && period > 0
    ? quota / period
    : Number.POSITIVE_INFINITY;
}

/**
 * Whole cores, at least 1. A quota of 1.5 gives 1: two busy threads on 1.5 cores are throttled for a third of each period,
 * which ruins the tail.
 */
export function grantedCores(files: ControlGroupFiles = {}, available: number = availableParallelism()): number {
  const { unified, controller } = controlGroupFolders('cpu', files);
  const quota = Math.min(...unified.map(quotaV2), ...controller.map(quotaV1));
  return Math.max(1, Math.floor(Math.min(quota, available)));
}
