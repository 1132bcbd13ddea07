/**
 * A response cache over a fake clock, a Map for each tier and a model that answers when told to. Tests only. The model's answer is
 * a function of the row alone, so that any mixed up, torn or foreign row is seen.
 */
import type { CacheConfig } from '../../ports/cache-config.ts';
import type {
  CacheEntry,
  CacheStore,
  FarTier,
  Invalidation,
  LeaseStore,
  StoredValue,
} from '../../ports/cache-store.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import type { SubmitOptions } from '../batching/batcher.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import type { KeyDigest } from '../cache/key-digest.ts';
import type { MemoryTier } from '../cache/memory-tier.ts';
import { ResponseCache, type ResponseCacheOptions } from '../cache/response-cache.ts';
import { HotpathError } from '../errors.ts';
import type { Runner } from '../runner.ts';
import { seededRandom } from '../seeded-random.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import type { Tensor } from '../tensor.ts';
import type { ModelView } from '../types.ts';

export interface PendingRun {
  readonly inputs: readonly Tensor[];
  readonly options: SubmitOptions;
  readonly rows: number;
  settled: boolean;
  answer(): void;
  fail(error: unknown): void;
}

/** `y = [x0 * 10, x1 * 10]` and `text = x0`, per row. */
export class FakeInner implements Runner {
  readonly runs: PendingRun[] = [];
  /** Answers at once unless set. */
  held = false;
  closed = false;

  submit(inputs: readonly Tensor[], options: SubmitOptions): Promise<BatchAnswer> {
    return new Promise((resolve, reject) => {
      if (this.closed) throw new HotpathError('SHUTTING_DOWN', 'closed');
      const rows = inputs[0]!.shape[0]!;
      const settle = (act: () => void) => {
        if (run.settled) return;
        run.settled = true;
        if (options.cancel !== undefined) options.cancel.onCancel = undefined;
        act();
      };
      const run: PendingRun = {
        inputs,
        options,
        rows,
        settled: false,
        answer: () => settle(() => resolve(answerOf(inputs))),
        fail: (error) => settle(() => reject(error as Error)),
      };
      if (options.cancel !== undefined) options.cancel.onCancel = () => run.fail(new HotpathError('CANCELLED', 'left'));
      this.runs.push(run);
      if (!this.held) run.answer();
    });
  }

  get computedRows(): number {
    return this.runs.reduce((sum, { rows }) => sum + rows, 0);
  }

  get open(): readonly PendingRun[] {
    return this.runs.filter(({ settled }) => !settled);
  }

  status() {
    return { queue: { rows: 0, requests: 0, bytes: 0 }, busyInstances: 0, inFlightRequests: 0, sloInfeasible: false };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

function answerOf(inputs: readonly Tensor[]): BatchAnswer {
  const { shape, data } = inputs[0]!;
  const rows = shape[0]!;
  // In the middle of a larger buffer, as the rows of a batch are.
  const values = new Float32Array(2 * rows + 4).subarray(2, 2 + 2 * rows);
  for (let index = 0; index < values.length; index++) values[index] = (data[index] as number) * 10;
  const texts = Array.from({ length: rows }, (_, row) => String(data[2 * row]));
  return {
    outputs: [
      { datatype: 'float32', shape: [rows, 2], data: values },
      { datatype: 'string', shape: [rows], data: texts },
    ],
    queueMs: 1,
    batchMs: 0,
    inferMs: 2,
    batchRows: rows,
    release: 'idle',
  };
}

export class FakeStore implements CacheStore {
  readonly tier: FarTier;
  readonly leases?: LeaseStore;
  readonly held = new Set<string>();
  readonly entries = new Map<string, { value: Uint8Array; untilMs: number }>();
  /** Keys of every call. */
  readonly reads: (readonly string[])[] = [];
  readonly writes: (readonly CacheEntry[])[] = [];
  /** `hangs` never answers. */
  mood: 'works' | 'fails' | 'throws' | 'hangs' = 'works';
  readonly #clock: SimulatedClock;

  constructor(tier: FarTier, clock: SimulatedClock, withLeases = false) {
    this.tier = tier;
    this.#clock = clock;
    if (!withLeases) return;
    this.leases = {
      acquire: (key) => this.#act(() => !this.held.has(key) && this.held.add(key) !== undefined),
      release: (key) => this.#act(() => void this.held.delete(key)),
    };
  }

  getMany(keys: readonly string[]): Promise<readonly (StoredValue | undefined)[]> {
    this.reads.push(keys);
    return this.#act(() =>
      keys.map((key) => {
        const entry = this.entries.get(key);
        const ttlMs = (entry?.untilMs ?? 0) - this.#clock.now();
        return entry === undefined || ttlMs <= 0 ? undefined : { value: entry.value, ttlMs };
      }),
    );
  }

  setMany(entries: readonly CacheEntry[]): Promise<void> {
    this.writes.push(entries);
    return this.#act(() => {
      for (const { key, value, ttlMs } of entries) this.entries.set(key, { value, untilMs: this.#clock.now() + ttlMs });
    });
  }

  deletePrefix(prefix: string): Promise<number> {
    return this.#act(() => {
      const keys = [...this.entries.keys()].filter((key) => key.startsWith(prefix));
      for (const key of keys) this.entries.delete(key);
      return keys.length;
    });
  }

  async close(): Promise<void> {}

  #act<T>(act: () => T): Promise<T> {
    if (this.mood === 'throws') throw new Error('thrown at once');
    if (this.mood === 'hangs') return new Promise(() => {});
    return this.mood === 'fails' ? Promise.reject(new Error('connection refused')) : Promise.resolve().then(act);
  }
}

export class CountingTelemetry implements ModelTelemetry {
  readonly rows: Record<string, number> = {};
  readonly tiers: string[] = [];
  expirations = 0;
  cancellations = 0;

  request(): void {}
  stages(): void {}
  batch(): void {}
  shed(): void {}
  workerRestarted(): void {}

  expired(): void {
    this.expirations++;
  }

  cancelled(): void {
    this.cancellations++;
  }

  cacheRows(outcome: string, rows: number): void {
    this.rows[outcome] = (this.rows[outcome] ?? 0) + rows;
  }

  cacheTier(tier: string, operation: string, result: string): void {
    this.tiers.push(`${tier} ${operation} ${result}`);
  }
}

export const cachedView: ModelView = {
  name: 'double',
  version: '1',
  signature: {
    inputs: [{ name: 'x', datatype: 'float32', shape: [-1, 2] }],
    outputs: [
      { name: 'y', datatype: 'float32', shape: [-1, 2] },
      { name: 'text', datatype: 'string', shape: [-1] },
    ],
    skippedOutputs: [],
  },
  batchable: true,
  labels: undefined,
  nan: 'allow',
};

export interface CacheWorld {
  readonly clock: SimulatedClock;
  readonly inner: FakeInner;
  readonly cache: ResponseCache;
  readonly telemetry: CountingTelemetry;
  /** What was announced to other processes. */
  readonly published: Invalidation[];
  /** As if another process had announced it. */
  hear(invalidation: Invalidation): void;
  wrap(config?: CacheConfig, view?: Partial<ModelView>, contentHash?: string): Runner;
}

export interface CacheWorldOptions {
  readonly digest: KeyDigest;
  readonly memory: MemoryTier | undefined;
  readonly clock?: SimulatedClock;
  readonly stores?: readonly CacheStore[];
  readonly overrides?: Partial<ResponseCacheOptions>;
}

export function cacheWorld({
  digest,
  memory,
  clock = new SimulatedClock(1000),
  stores = [],
  overrides,
}: CacheWorldOptions): CacheWorld {
  const inner = new FakeInner();
  const telemetry = new CountingTelemetry();
  const published: Invalidation[] = [];
  let hear: (invalidation: Invalidation) => void = () => {};
  const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const cache = new ResponseCache({
    clock,
    random: seededRandom(1),
    digest,
    logger,
    memory,
    stores,
    bus: {
      publish: async (invalidation) => void published.push(invalidation),
      onInvalidation: (handler) => {
        hear = handler;
      },
    },
    timeoutMs: 25,
    ...overrides,
  });
  return {
    clock,
    inner,
    cache,
    telemetry,
    published,
    hear: (invalidation) => hear(invalidation),
    wrap: (config = {}, view = {}, contentHash = 'content') =>
      cache.wrap(inner, { view: { ...cachedView, ...view }, contentHash, config, sloMs: 100, telemetry }),
  };
}

/** Lets promises go as far as they can without the clock. */
export async function settle(clock?: SimulatedClock): Promise<void> {
  for (let turn = 0; turn < 40; turn++) {
    await Promise.resolve();
    clock?.flush();
  }
}
