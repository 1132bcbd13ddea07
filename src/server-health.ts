/** What /health shows, from what is loaded and measured now. Used by server.ts only; computed per health request. */
import { memoryLimitBytes } from './config/memory-limit.ts';
import type { LoadedStatus, ModelStatus } from './core/registry/catalog.ts';
import type { PerformanceView } from './ports/performance.ts';
import type { HealthView } from './protocols/rest/deps.ts';

export interface HealthFacts {
  readonly state: HealthView['state'];
  readonly version: string;
  readonly performance: PerformanceView;
  readonly models: readonly ModelStatus[];
}

const limitBytes = memoryLimitBytes();

export function describeHealth({ state, version, performance, models }: HealthFacts): HealthView {
  const { rss, heapUsed } = process.memoryUsage();
  return {
    state,
    version,
    uptimeSeconds: process.uptime(),
    memory: { rssBytes: rss, heapUsedBytes: heapUsed, limitBytes },
    performance,
    optimizations: models.flatMap((model) => (model.loaded === undefined ? [] : [describeModel(model, model.loaded)])),
    notes: models.flatMap(noteOn),
  };
}

function describeModel({ name, version }: ModelStatus, loaded: LoadedStatus): string {
  const { instances, intraOpThreads, executionProvider, batching } = loaded;
  const batches = batching.enabled
    ? `batches of up to ${batching.maxBatchSize} rows`
    : `no batching (${batching.reason ?? 'turned off'})`;
  return `${name} ${version}: ${instances} × ${intraOpThreads} threads on ${executionProvider}, ${batches}`;
}

function noteOn({ name, version, state, reason, loaded }: ModelStatus): string[] {
  if (state === 'failed') return [`${name} ${version} failed: ${reason}`];
  if (loaded?.sloInfeasible) {
    return [`${name} ${version}: SLO infeasible, one row alone is expected to take longer than ${loaded.sloMs} ms.`];
  }
  return [];
}
