/**
 * CPU and memory of the machine and of the cgroup (v1 or v2) around this process, read once per scrape. Anything that cannot be read
 * (another operating system, a hidden /proc) falls back to what Node knows; reading never throws.
 */
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

export interface SystemStats {
  /** Cores granted by the cgroup quota, a fraction possibly; otherwise the machine's. */
  readonly cpuCores: number;
  /** Busy share of the machine's cores since the previous read, 0 to 1. */
  readonly cpuUtilizationRatio: number;
  readonly load1: number;
  /** The cgroup's limit, or the machine's memory. */
  readonly memoryLimitBytes: number;
  /** Used under that limit, without file cache the kernel can take back. */
  readonly memoryUsedBytes: number;
}

export interface SystemStatsReader {
  read(): Promise<SystemStats>;
}

/** @param root where /proc and /sys lie; a test gives a folder. */
export function createSystemStats(root = '/'): SystemStatsReader {
  let lastTimes = cpuTimes();
  let lastRatio = 0;
  return {
    async read() {
      const times = cpuTimes();
      const totalMs = times.total - lastTimes.total;
      // The kernel counts in ticks of 10 ms: over less than a second of core time the share is noise.
      if (totalMs >= 1000) {
        lastRatio = clamp((times.busy - lastTimes.busy) / totalMs);
        lastTimes = times;
      }
      const [cpuCores, memory] = await Promise.all([readCpuCores(root), readMemory(root)]);
      return { cpuCores, cpuUtilizationRatio: lastRatio, load1: os.loadavg()[0] ?? 0, ...memory };
    },
  };
}

async function readCpuCores(root: string): Promise<number> {
  const machine = os.availableParallelism();
  const [v2, quota, period] = await Promise.all([
    readCgroupFile(root, 'cpu.max', ''),
    readCgroupFile(root, 'cpu.cfs_quota_us', 'cpu'),
    readCgroupFile(root, 'cpu.cfs_period_us', 'cpu'),
  ]);
  const [max, every] = v2 === undefined ? [quota, period] : v2.split(/\s+/);
  const cores = Number(max) / Number(every);
  return cores > 0 && Number.isFinite(cores) ? Math.min(cores, machine) : machine;
}

async function readMemory(root: string): Promise<{ memoryLimitBytes: number; memoryUsedBytes: number }> {
  const total = os.totalmem();
  const [v2, v1] = await Promise.all([
    readCgroupMemory(root, '', 'memory.max', 'memory.current', 'inactive_file'),
    readCgroupMemory(root, 'memory', 'memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_inactive_file'),
  ]);
  const cgroup = v2 ?? v1;
  // Without a limit version 1 reports a number near 2^63.
  if (cgroup !== undefined && cgroup.memoryLimitBytes < total) return cgroup;
  return { memoryLimitBytes: total, memoryUsedBytes: total - os.freemem() };
}

async function readCgroupMemory(root: string, controller: string, limit: string, usage: string, cache: string) {
  const [max, current, stat] = await Promise.all([
    readCgroupFile(root, limit, controller),
    readCgroupFile(root, usage, controller),
    readCgroupFile(root, 'memory.stat', controller),
  ]);
  const memoryLimitBytes = Number(max);
  const used = Number(current);
  if (!(memoryLimitBytes > 0) || !Number.isFinite(used)) return undefined;
  const reclaimable = Number(stat?.match(new RegExp(`^${cache} (\\d+)$`, 'm'))?.[1] ?? 0);
  return { memoryLimitBytes, memoryUsedBytes: Math.max(0, used - reclaimable) };
}

/**
 * One file of this process's cgroup; version 2 when `controller` is empty. In a container the own cgroup is usually mounted as the
 * root, so the path of /proc/self/cgroup is tried first and the mount itself second.
 */
async function readCgroupFile(root: string, file: string, controller: string): Promise<string | undefined> {
  const membership = await readText(path.join(root, 'proc/self/cgroup'));
  const line = membership?.split('\n').find((text) => (text.split(':')[1] ?? '').split(',').includes(controller));
  const own = line?.split(':').slice(2).join(':') ?? '/';
  const mount = path.join(root, 'sys/fs/cgroup', controller);
  return (await readText(path.join(mount, own, file))) ?? (await readText(path.join(mount, file)));
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch {
    return undefined;
  }
}

function cpuTimes(): { busy: number; total: number } {
  let busy = 0;
  let total = 0;
  for (const { times } of os.cpus()) {
    const working = times.user + times.nice + times.sys + times.irq;
    busy += working;
    total += working + times.idle;
  }
  return { busy, total };
}

const clamp = (ratio: number): number => Math.min(1, Math.max(0, ratio));
