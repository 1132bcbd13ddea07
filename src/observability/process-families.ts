/** Turns the figures of the process and the machine into metric families, once per scrape. */
import { type MetricFamily, renderLabels, type ValueSample } from './exposition.ts';
import { recordSamples, valueFamily } from './families.ts';
import type { MetricName } from './metric-definitions.ts';
import type { ProcessStats } from './process-stats.ts';
import type { SystemStats } from './system-stats.ts';

export function processFamilies(stats: ProcessStats): MetricFamily[] {
  const gc = Object.entries(stats.gc);
  return [
    valueFamily(
      'process_cpu_seconds_total',
      recordSamples('', 'mode', { user: stats.cpuUserSeconds, system: stats.cpuSystemSeconds }),
    ),
    single('process_resident_memory_bytes', stats.residentBytes),
    single('process_heap_used_bytes', stats.heapUsedBytes),
    single('process_heap_total_bytes', stats.heapTotalBytes),
    single('process_external_memory_bytes', stats.externalBytes),
    single('process_open_fds', stats.openFds),
    single('process_start_time_seconds', stats.startTimeSeconds),
    valueFamily(
      'gc_duration_seconds_total',
      gc.map(([kind, { seconds }]): ValueSample => ({ labels: renderLabels({ kind }), value: seconds })),
    ),
    valueFamily(
      'gc_runs_total',
      gc.map(([kind, { runs }]): ValueSample => ({ labels: renderLabels({ kind }), value: runs })),
    ),
    valueFamily('event_loop_delay_seconds', recordSamples('', 'quantile', stats.eventLoopDelaySeconds)),
    single('event_loop_utilization_ratio', stats.eventLoopUtilizationRatio),
  ];
}

export function systemFamilies(stats: SystemStats): MetricFamily[] {
  return [
    single('system_cpu_cores', stats.cpuCores),
    single('system_cpu_utilization_ratio', stats.cpuUtilizationRatio),
    single('system_load1', stats.load1),
    single('system_memory_limit_bytes', stats.memoryLimitBytes),
    single('system_memory_used_bytes', stats.memoryUsedBytes),
  ];
}

export function buildFamily(version: string): MetricFamily {
  return valueFamily('build_info', [{ labels: renderLabels({ version, node: process.version }), value: 1 }]);
}

const single = (name: MetricName, value: number | undefined): MetricFamily =>
  valueFamily(name, value === undefined ? [] : [{ labels: '', value }]);
