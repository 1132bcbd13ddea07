/**
 * All metrics of one HTTP process behind four calls: the telemetry the hot path reports to, the page for Prometheus, the same as JSON for
 * the supervisor of several processes, and the last seconds for /health. Made by the composition root, which closes it last.
 */
import type { ModelStatus } from '../core/registry/catalog.ts';
import type { Clock } from '../ports/clock.ts';
import type { PerformanceView } from '../ports/performance.ts';
import type { StoreFigures } from '../ports/store-figures.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import { BusyRatios } from './busy-ratios.ts';
import { contentType, type MetricFamily, mergeFamilies, render } from './exposition.ts';
import { MeterSet } from './meter-set.ts';
import { meterFamilies, snapshotFamilies } from './model-families.ts';
import { nvFamilies } from './nv-metrics.ts';
import { PerformanceRecorder } from './performance.ts';
import { buildFamily, processFamilies, systemFamilies } from './process-families.ts';
import { createProcessStats, type ProcessStatsReader } from './process-stats.ts';
import { cacheMeterFamilies, storeFamilies } from './store-families.ts';
import { createSystemStats, type SystemStatsReader } from './system-stats.ts';
import { type TritonCounters, tritonCounters } from './triton-statistics.ts';

export interface MetricsOptions {
  /** What is loaded now; called at scrape time only. */
  readonly snapshot: () => readonly ModelStatus[];
  readonly clock: Clock;
  /** Also expose Triton's names. */
  readonly nv: boolean;
  /** Version of Hotpath, for build_info. */
  readonly version: string;
  /** Of caches, prediction log, pools and access; called at scrape time only. @default nothing of them */
  readonly stores?: (() => StoreFigures) | undefined;
  /** Milliseconds since 1970. @default Date.now */
  readonly wallClock?: () => number;
  /** @default the figures of this process */
  readonly processStats?: ProcessStatsReader;
  /** @default the figures of this machine */
  readonly systemStats?: SystemStatsReader;
}

export interface MetricsPage {
  readonly contentType: string;
  readonly body: string;
}

export interface Metrics {
  readonly telemetry: Telemetry;
  exposition(): Promise<MetricsPage>;
  /** Plain data for `aggregate`, small enough to send between processes. */
  metricsAsJson(): Promise<readonly MetricFamily[]>;
  performance(): PerformanceView;
  /** Every model version that was ever asked, in the terms of Triton's statistics. */
  tritonCounters(): readonly TritonCounters[];
  /** Stops the observers of event loop and garbage collection. Idempotent. */
  close(): void;
}

export function createMetrics(options: MetricsOptions): Metrics {
  const { snapshot, clock, nv, version } = options;
  const recorder = new PerformanceRecorder(clock);
  const meters = new MeterSet(recorder, options.wallClock ?? Date.now);
  const busy = new BusyRatios(clock);
  const processStats = options.processStats ?? createProcessStats();
  const systemStats = options.systemStats ?? createSystemStats();

  async function collect(): Promise<MetricFamily[]> {
    const [ofProcess, ofSystem] = await Promise.all([processStats.read(), systemStats.read()]);
    const models = snapshot();
    return [
      ...snapshotFamilies(models, meters, busy),
      ...meterFamilies(meters),
      ...cacheMeterFamilies(meters),
      ...(options.stores === undefined ? [] : storeFamilies(options.stores())),
      ...processFamilies(ofProcess),
      ...systemFamilies(ofSystem),
      buildFamily(version),
      ...(nv ? nvFamilies(meters, models, ofSystem) : []),
    ];
  }

  return {
    telemetry: meters,
    exposition: async () => ({ contentType, body: await render(await collect()) }),
    metricsAsJson: collect,
    performance: () => recorder.view(),
    tritonCounters: () => meters.all().map(tritonCounters),
    close: () => processStats.close(),
  };
}

/** The page of all processes together, from their `metricsAsJson()`. Its content type is the same as a single one's. */
export function aggregate(processes: readonly (readonly MetricFamily[])[]): Promise<string> {
  return render(mergeFamilies(processes));
}
