/** Metrics with fixed figures of process and machine, and readers of their page; shared by the tests of this folder. */
import assert from 'node:assert/strict';
import type { LoadedStatus, ModelStatus } from '../../core/registry/catalog.ts';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import type { InferTiming } from '../../core/types.ts';
import type { StoreFigures } from '../../ports/store-figures.ts';
import { createMetrics, type Metrics } from '../metrics.ts';
import type { ProcessStats, ProcessStatsReader } from '../process-stats.ts';
import type { SystemStats } from '../system-stats.ts';

const processFigures: ProcessStats = {
  cpuUserSeconds: 3,
  cpuSystemSeconds: 0.5,
  residentBytes: 1000,
  heapUsedBytes: 400,
  heapTotalBytes: 500,
  externalBytes: 60,
  openFds: 21,
  startTimeSeconds: 1_700_000_000,
  eventLoopUtilizationRatio: 0.25,
  eventLoopDelaySeconds: { '0.5': 0.001, '0.9': 0.002, '0.99': 0.003 },
  gc: { minor: { runs: 7, seconds: 0.125 } },
};

const systemFigures: SystemStats = {
  cpuCores: 1.5,
  cpuUtilizationRatio: 0.75,
  load1: 2,
  memoryLimitBytes: 4096,
  memoryUsedBytes: 1024,
};

export const timing: InferTiming = {
  decodeMs: 0.25,
  queueMs: 1,
  batchMs: 0.5,
  inferMs: 4,
  batchRows: 8,
  release: 'idle',
};

/** A server that uses everything. */
export const allStores: StoreFigures = {
  upstreams: [
    {
      model: 'far',
      version: '1',
      balance: 'round-robin',
      waiting: 0,
      addresses: [
        {
          address: 'grpc://one:8001',
          size: 4,
          inUse: 3,
          idle: 1,
          waiting: 2,
          inFlight: 9,
          maxInFlight: 64,
          calls: 50,
          errors: 1,
          lastError: undefined,
          healthy: true,
          breaker: 'closed',
          ejectedForMs: undefined,
        },
      ],
    },
  ],
  cache: { entries: 2, bytes: 300, maxBytes: 1000, evictions: 1 },
  predictions: { written: 10, dropped: 1, failedBatches: 2, waiting: 3 },
  access: { refused: { key: 4, rate: 5 } },
  features: { memory: 6, source: 7 },
  tasks: { waiting: 2, running: 1, done: 0, failed: 0, cancelled: 0 },
  pools: [
    {
      kind: 'postgres',
      name: 'database "main"',
      size: 8,
      maxSize: 12,
      inUse: 5,
      idle: 3,
      waiting: 2,
      acquired: 100,
      waitedMs: 1500,
      timeouts: 1,
      recycled: 4,
      errors: 6,
      lastError: 'reset',
      breaker: undefined,
    },
  ],
};

interface Setup {
  readonly nv?: boolean;
  readonly clock?: SimulatedClock;
  readonly snapshot?: () => readonly ModelStatus[];
  readonly processStats?: Partial<ProcessStats>;
  readonly stores?: () => StoreFigures;
}

export function setup({
  nv = false,
  clock = new SimulatedClock(),
  snapshot = () => [],
  processStats = {},
  stores,
}: Setup = {}): Metrics {
  const reader: ProcessStatsReader = {
    read: async () => ({ ...processFigures, ...processStats }),
    close: () => undefined,
  };
  const systemStats = { read: async () => systemFigures };
  return createMetrics({ snapshot, clock, nv, version: '1.2.3', processStats: reader, systemStats, stores });
}

export function loaded(name: string, overrides: Partial<LoadedStatus> = {}): ModelStatus {
  const status: LoadedStatus = {
    signature: { inputs: [], outputs: [], skippedOutputs: [] },
    executionProvider: 'cpu',
    instances: 2,
    availableInstances: 1,
    busyInstances: 1,
    intraOpThreads: 1,
    memoryBytes: 5000,
    pinned: false,
    loadMs: 12,
    batching: { enabled: true, maxBatchSize: 64, maxDelayMs: undefined },
    sloMs: 100,
    sloInfeasible: true,
    cost: { perRowMs: 0.5, fixedMs: 2, relativeError: 0.1 },
    batchCurve: [],
    capacityRowsPerSecond: 1500,
    queue: { rows: 6, requests: 3, bytes: 96 },
    inFlightRequests: 5,
    notes: [],
    ...overrides,
  };
  return { name, version: '1', state: 'ready', labels: [], loaded: status };
}

export async function page(metrics: Metrics): Promise<string[]> {
  return (await metrics.exposition()).body.split('\n');
}

export function seriesValue(lines: readonly string[], series: string): number {
  const line = lines.find((text) => text.startsWith(`${series} `));
  assert.ok(line !== undefined, `no series ${series}`);
  return Number(line.slice(series.length + 1));
}

export function assertLines(lines: readonly string[], expected: readonly string[]): void {
  for (const line of expected) assert.ok(lines.includes(line), `missing: ${line}`);
}
