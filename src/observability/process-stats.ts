/**
 * Figures of this process: CPU, memory, descriptors, event loop, garbage collection. Holds the only observers; made once by the
 * metrics, closed with them. Reading resets the event-loop figures, so each scrape sees the time since the one before.
 */
import { readdir } from 'node:fs/promises';
import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';

export interface ProcessStats {
  readonly cpuUserSeconds: number;
  readonly cpuSystemSeconds: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  /** Undefined where /proc is missing. */
  readonly openFds: number | undefined;
  readonly startTimeSeconds: number;
  readonly eventLoopUtilizationRatio: number;
  /** Lateness in seconds by quantile. */
  readonly eventLoopDelaySeconds: Readonly<Record<'0.5' | '0.9' | '0.99', number>>;
  /** By kind of collection: minor, major, incremental, weakcb. */
  readonly gc: Readonly<Record<string, { readonly runs: number; readonly seconds: number }>>;
}

export interface ProcessStatsReader {
  read(): Promise<ProcessStats>;
  close(): void;
}

/** The sampling timer wakes this often; finer would wake an idle server more than it tells. */
const resolutionMs = 20;

/** Node's constants NODE_PERFORMANCE_GC_*. */
const gcKinds: Readonly<Record<number, string>> = { 1: 'minor', 4: 'major', 8: 'incremental', 16: 'weakcb' };

export function createProcessStats(): ProcessStatsReader {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  let lastUtilization = performance.eventLoopUtilization();
  const gc: Record<string, { runs: number; seconds: number }> = {};
  const observer = observeGc(gc);

  // The histogram records the time between two ticks of its timer, so the resolution itself is no lateness.
  const lateness = (percentile: number): number => Math.max(0, delay.percentile(percentile) / 1e9 - resolutionMs / 1e3);

  return {
    async read() {
      const utilization = performance.eventLoopUtilization();
      const { utilization: ratio } = performance.eventLoopUtilization(utilization, lastUtilization);
      lastUtilization = utilization;
      const eventLoopDelaySeconds = { '0.5': lateness(50), '0.9': lateness(90), '0.99': lateness(99) };
      delay.reset();
      const cpu = process.cpuUsage();
      const memory = process.memoryUsage();
      return {
        cpuUserSeconds: cpu.user / 1e6,
        cpuSystemSeconds: cpu.system / 1e6,
        residentBytes: memory.rss,
        heapUsedBytes: memory.heapUsed,
        heapTotalBytes: memory.heapTotal,
        externalBytes: memory.external,
        openFds: await countOpenFds(),
        startTimeSeconds: performance.timeOrigin / 1000,
        eventLoopUtilizationRatio: ratio,
        eventLoopDelaySeconds,
        gc: structuredClone(gc),
      };
    },
    close() {
      delay.disable();
      observer.disconnect();
    },
  };
}

function observeGc(into: Record<string, { runs: number; seconds: number }>): PerformanceObserver {
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as { detail?: { kind?: number } }).detail ?? {};
      const name = gcKinds[kind ?? 0] ?? 'other';
      into[name] ??= { runs: 0, seconds: 0 };
      const total = into[name];
      total.runs += 1;
      total.seconds += entry.duration / 1000;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return observer;
}

async function countOpenFds(): Promise<number | undefined> {
  try {
    // The listing itself holds one descriptor open.
    return (await readdir('/proc/self/fd')).length - 1;
  } catch {
    return undefined;
  }
}
