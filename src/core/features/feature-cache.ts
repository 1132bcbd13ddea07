/**
 * The features of one model's entities: memory, then the tiers beyond it, then the source. However many requests ask for an entity,
 * it is under way once, and entities asked for in one turn of the event loop go out together. Called by join-features.ts for every
 * request that names entities; synchronous when memory knows them all. Its owner closes the source.
 */
import type { CacheStore } from '../../ports/cache-store.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { FeatureRow, FeatureSource, FeaturesConfig } from '../../ports/feature-source.ts';
import type { Logger } from '../../ports/logger.ts';
import type { MemoryTier } from '../cache/memory-tier.ts';
import { HotpathError } from '../errors.ts';
import type { TensorSpec } from '../tensor.ts';
import type { CancelToken } from '../types.ts';
import { FarTier, type Found } from './far-tier.ts';
import { FeatureFetcher, type FetcherStatus } from './feature-fetcher.ts';
import { FeatureKeys } from './feature-keys.ts';
import { featureBytes, pickFeatures } from './feature-row.ts';
import { EntityWait, Flight, type Remembered } from './flight.ts';
import { tooManyWait, unavailable } from './source-failure.ts';

/** A row may be this many times as old as its time to live when the source is down. */
const staleFactor = 10;
/** Times to live end up to this part early, so that what was fetched together is not asked for together again. */
const jitter = 0.1;

export interface FeatureCacheOptions {
  readonly model: string;
  readonly config: FeaturesConfig;
  /** Of the model's signature. */
  readonly inputs: readonly TensorSpec[];
  readonly source: FeatureSource;
  /** Undefined: `tiers` has no memory. */
  readonly memory: Pick<MemoryTier, 'get' | 'set'> | undefined;
  /** In the order they are asked. */
  readonly stores: readonly CacheStore[];
  /** Longest wait for one of them. */
  readonly storeTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Entities of requests since the model was loaded, by where they were found. */
export interface FeatureCounts {
  memory: number;
  /** In a tier beyond it. */
  far: number;
  source: number;
  /** Given past their time, because the source was down. */
  stale: number;
  unknown: number;
  failed: number;
}

export class FeatureCache {
  readonly counts: FeatureCounts = { memory: 0, far: 0, source: 0, stale: 0, unknown: 0, failed: 0 };
  readonly #options: FeatureCacheOptions;
  readonly #keys: FeatureKeys;
  readonly #tiers: readonly FarTier[];
  readonly #fetcher: FeatureFetcher;
  readonly #ttlMs: number;
  readonly #negativeTtlMs: number;
  readonly #flights = new Map<string, Flight>();
  /** Flights that begin at the end of this turn. */
  #starting: Flight[] = [];
  #failing = false;

  constructor(options: FeatureCacheOptions) {
    const { model, config, inputs, source, stores, storeTimeoutMs, clock, random } = options;
    this.#options = options;
    this.#keys = new FeatureKeys(model, config, inputs);
    this.#tiers = stores.map((store) => new FarTier(store, this.#keys, clock, storeTimeoutMs));
    this.#ttlMs = config.ttlMs ?? 60_000;
    this.#negativeTtlMs = config.negativeTtlMs ?? 5000;
    this.#fetcher = new FeatureFetcher({
      source,
      timeoutMs: config.timeoutMs ?? 500,
      clock,
      random,
      onRow: (flight, row) => this.#fetched(flight, row),
      onFailure: (flights, cause, full) => this.#failed(flights, cause, full),
    });
  }

  /**
   * By entity, in order; undefined: unknown. Waits at most `timeoutMs`, and not beyond the cancellation.
   * @throws MODEL_NOT_READY, OVERLOADED, DEADLINE_EXCEEDED, CANCELLED; only as a rejection.
   */
  getMany(
    entities: readonly string[],
    timeoutMs: number | undefined,
    cancel: CancelToken | undefined,
  ): readonly (FeatureRow | undefined)[] | Promise<readonly (FeatureRow | undefined)[]> {
    const { clock } = this.#options;
    const nowMs = clock.now();
    const rows = new Array<FeatureRow | undefined>(entities.length);
    let wait: EntityWait | undefined;
    for (let index = 0; index < entities.length; index++) {
      const entity = entities[index]!;
      const remembered = this.#recall(entity, nowMs);
      if (remembered !== undefined && this.#isGood(remembered, nowMs)) {
        rows[index] = remembered.value;
        continue;
      }
      wait ??= new EntityWait(rows);
      wait.await(this.#flightOf(entity, remembered), index);
    }
    return wait === undefined ? rows : this.#watch(wait, timeoutMs, cancel);
  }

  status(): FetcherStatus & { readonly counts: Readonly<FeatureCounts> } {
    return { ...this.#fetcher.status(), counts: this.counts };
  }

  /** Counts what it says yes to. */
  #isGood({ value, freshUntilMs }: Remembered, nowMs: number): boolean {
    if (nowMs < freshUntilMs) {
      this.counts.memory++;
      if (value === undefined) this.counts.unknown++;
      return true;
    }
    if (value === undefined || !this.#fetcher.isDown) return false;
    this.counts.stale++;
    return true;
  }

  #recall(entity: string, nowMs: number): Remembered | undefined {
    return this.#options.memory?.get(this.#keys.near(entity), nowMs) as Remembered | undefined;
  }

  #flightOf(entity: string, stale: Remembered | undefined): Flight {
    const under = this.#flights.get(entity);
    if (under !== undefined) return under;
    const flight = new Flight(entity, stale);
    this.#flights.set(entity, flight);
    this.#starting.push(flight);
    if (this.#starting.length === 1) this.#options.clock.defer(() => void this.#begin());
    return flight;
  }

  #watch(
    wait: EntityWait,
    timeoutMs: number | undefined,
    cancel: CancelToken | undefined,
  ): Promise<readonly (FeatureRow | undefined)[]> {
    const { clock } = this.#options;
    const timer = timeoutMs === undefined ? undefined : clock.after(timeoutMs, () => wait.end(deadlinePassed()));
    wait.onEnd = () => {
      if (timer !== undefined) clock.clear(timer);
      if (cancel !== undefined) cancel.onCancel = undefined;
    };
    if (cancel !== undefined) cancel.onCancel = () => wait.end(left());
    if (cancel?.cancelled) wait.end(left());
    return wait.promise;
  }

  /** Asks tier after tier, then the source. Never rejects. */
  async #begin(): Promise<void> {
    let missing = this.#starting;
    this.#starting = [];
    for (let tier = 0; tier < this.#tiers.length && missing.length > 0; tier++) {
      const founds = await this.#tiers[tier]!.read(missing.map((flight) => flight.entity));
      missing = missing.filter((flight, index) => !this.#found(flight, founds[index], tier));
    }
    if (missing.length > 0) this.#fetcher.add(missing);
  }

  #found(flight: Flight, found: Found | undefined, tier: number): boolean {
    if (found === undefined) return false;
    this.counts.far++;
    // Read repair: the tiers before it have it next time.
    this.#remember(flight.entity, found.row, found.ttlMs, tier);
    this.#land(flight, found.row);
    return true;
  }

  #fetched(flight: Flight, row: FeatureRow | undefined): void {
    const { inputs, source, random } = this.#options;
    const picked = row === undefined ? undefined : pickFeatures(row, inputs, source.text ?? false);
    const ttlMs = (picked === undefined ? this.#negativeTtlMs : this.#ttlMs) * (1 - jitter * random());
    this.#remember(flight.entity, picked, ttlMs, this.#tiers.length);
    this.#report(undefined);
    this.counts.source++;
    this.#land(flight, picked);
  }

  /** `below`: how many tiers beyond memory get it. */
  #remember(entity: string, row: FeatureRow | undefined, ttlMs: number, below: number): void {
    if (ttlMs <= 0) return;
    const nowMs = this.#options.clock.now();
    const key = this.#keys.near(entity);
    const expiresMs = nowMs + ttlMs * (row === undefined ? 1 : staleFactor);
    const sizeBytes = featureBytes(row);
    this.#options.memory?.set(key, { value: row, sizeBytes, freshUntilMs: nowMs + ttlMs, expiresMs });
    for (let tier = 0; tier < below; tier++) this.#tiers[tier]!.write(entity, { row, ttlMs });
  }

  #land(flight: Flight, row: FeatureRow | undefined): void {
    if (flight.over) return;
    if (row === undefined) this.counts.unknown++;
    this.#flights.delete(flight.entity);
    flight.land(row);
  }

  #failed(flights: readonly Flight[], cause: unknown, full: boolean): void {
    const { model, clock } = this.#options;
    if (cause !== undefined) this.#report(cause);
    let error: HotpathError | undefined;
    for (const flight of flights) {
      if (flight.over) continue;
      this.#flights.delete(flight.entity);
      const stale = this.#staleOf(flight, clock.now());
      if (stale !== undefined) {
        this.counts.stale++;
        flight.land(stale);
        continue;
      }
      if (flight.wanted) this.counts.failed++;
      error ??= full ? tooManyWait(model) : unavailable(model, 1, cause);
      flight.fail(error);
    }
  }

  #staleOf({ stale }: Flight, nowMs: number): FeatureRow | undefined {
    return stale !== undefined && nowMs < stale.expiresMs ? stale.value : undefined;
  }

  /** Says once when the source begins to fail and once when it answers again. */
  #report(cause: unknown): void {
    const failing = cause !== undefined;
    if (failing === this.#failing) return;
    this.#failing = failing;
    const { model, logger } = this.#options;
    if (failing) logger.warn({ model, err: cause }, 'the source of features does not answer');
    else logger.info({ model }, 'the source of features answers again');
  }
}

function deadlinePassed(): HotpathError {
  return new HotpathError('DEADLINE_EXCEEDED', 'The deadline passed while features were fetched.');
}

function left(): HotpathError {
  return new HotpathError('CANCELLED', 'The client left while features were fetched.');
}
