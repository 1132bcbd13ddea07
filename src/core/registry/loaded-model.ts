/**
 * One loaded version: its sessions, its batcher, and how many callers hold it. Made by load-version.ts, held through leases.
 * It ends only after it was retired and its last lease was given back, so a request never loses the model under its feet.
 */
import type { EngineModel } from '../../ports/engine.ts';
import type { Logger } from '../../ports/logger.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import type { CostModel } from '../batching/cost-model.ts';
import { HotpathError } from '../errors.ts';
import type { ModelView } from '../types.ts';
import type { LoadedStatus } from './catalog.ts';
import type { ModelRunner, OpenFeatures } from './dependencies.ts';
import type { Reservation } from './memory-room.ts';
import type { Plan } from './plan.ts';
import { powersOfTwo } from './warm-up.ts';

/** The right to use a loaded version. Give it back exactly once, when the answer is complete. */
export interface Lease<R extends ModelRunner> {
  readonly model: LoadedModel<R>;
  release(): void;
}

export interface LoadedParts<R extends ModelRunner> {
  readonly view: ModelView;
  readonly runner: R;
  readonly telemetry: ModelTelemetry;
  readonly engineModel: EngineModel;
  readonly plan: Plan;
  readonly cost: CostModel;
  readonly maxBatchSize: number;
  readonly maxDelayMs: number | undefined;
  readonly sloMs: number;
  readonly digest: string;
  /** The part of model.json that decides how it is loaded; see `loadKey`. */
  readonly configKey: string;
  /** Of models whose requests may name entities. */
  readonly features: OpenFeatures | undefined;
  readonly reservation: Reservation;
  readonly loadMs: number;
  readonly notes: readonly string[];
  readonly logger: Logger;
}

export class LoadedModel<R extends ModelRunner> implements Lease<R> {
  readonly view: ModelView;
  readonly runner: R;
  readonly telemetry: ModelTelemetry;
  readonly sloMs: number;
  readonly features: OpenFeatures['cache'] | undefined;
  readonly parts: LoadedParts<R>;
  /** Itself: one object serves as every caller's lease, so that acquiring allocates nothing. */
  readonly model: LoadedModel<R>;
  /** Tick of the last acquire, for the eviction order. */
  lastUsed = 0;
  pinned = false;
  #leases = 0;
  #closed: PromiseWithResolvers<void> | undefined;

  constructor(parts: LoadedParts<R>) {
    this.model = this;
    this.parts = parts;
    this.view = parts.view;
    this.runner = parts.runner;
    this.telemetry = parts.telemetry;
    this.sloMs = parts.sloMs;
    this.features = parts.features?.cache;
  }

  get leases(): number {
    return this.#leases;
  }

  get inUse(): boolean {
    return this.#leases > 0 || (this.runner.liveSequences ?? 0) > 0;
  }

  retain(count = 1): void {
    this.#leases += count;
  }

  release(): void {
    if (this.#leases === 0) throw new HotpathError('INTERNAL', 'A lease was given back twice.');
    this.#leases--;
    if (this.#leases === 0 && this.#closed !== undefined) void this.#close();
  }

  /** Frees the model once nobody holds it. Resolves when its memory is free. Idempotent; never rejects. */
  retire(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers();
      this.parts.reservation.closing();
      if (this.#leases === 0) void this.#close();
    }
    return this.#closed.promise;
  }

  async #close(): Promise<void> {
    const { runner, engineModel, features, reservation, logger, view } = this.parts;
    for (const part of [runner, engineModel, features]) {
      try {
        await part?.close();
      } catch (error) {
        logger.error({ model: view.name, version: view.version, err: error }, 'closing a model failed');
      }
    }
    reservation.free();
    this.#closed?.resolve();
  }

  status(): LoadedStatus {
    const { view, engineModel, plan, cost, maxBatchSize, maxDelayMs, sloMs, reservation, loadMs, notes } = this.parts;
    const { queue, busyInstances, inFlightRequests, sloInfeasible } = this.runner.status();
    const { perRowMs, fixedMs, relativeError } = cost;
    const fullBatchMs = cost.expectMs(maxBatchSize);
    return {
      signature: view.signature,
      executionProvider: engineModel.executionProvider,
      instances: engineModel.instances.length,
      availableInstances: engineModel.instances.filter((instance) => instance.available).length,
      busyInstances,
      intraOpThreads: plan.intraOpThreads,
      memoryBytes: reservation.bytes,
      pinned: this.pinned,
      loadMs,
      batching: {
        enabled: plan.batching.enabled,
        ...(plan.batching.enabled ? {} : { reason: plan.batching.reason }),
        maxBatchSize,
        maxDelayMs,
      },
      sloMs,
      sloInfeasible,
      cost: { perRowMs, fixedMs, relativeError },
      batchCurve: curveRows(maxBatchSize).map((rows) => ({ rows, ms: cost.expectMs(rows) })),
      capacityRowsPerSecond: fullBatchMs > 0 ? (engineModel.instances.length * maxBatchSize * 1000) / fullBatchMs : 0,
      queue,
      inFlightRequests,
      notes,
    };
  }
}

function curveRows(maxBatchSize: number): number[] {
  const rows = powersOfTwo(maxBatchSize);
  return rows.at(-1) === maxBatchSize ? rows : [...rows, maxBatchSize];
}
