/**
 * Moves slots between unloaded, loading, ready, unloading and failed. Concurrent callers share one load; a failure is
 * remembered until file or config change, an explicit load, or a growing back-off; what is retired closes behind its last lease.
 * Called by the registry and by reload.ts. Every change of a slot's `loaded` happens here or in the reload's swap.
 */
import { HotpathError, toHotpathError } from '../errors.ts';
import type { ModelRunner } from './dependencies.ts';
import { loadFailed, modelHeld, reasonOf, shuttingDown } from './failures.ts';
import { Gate } from './gate.ts';
import type { LoadContext, LoadRequest } from './load-request.ts';
import { loadVersion } from './load-version.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { ModelRecord, VersionSlot } from './model-record.ts';
import type { ReadyIndex } from './ready-index.ts';
import { withTimeLimit } from './time-limit.ts';

const firstBackoffMs = 5_000;
const maxBackoffMs = 5 * 60_000;
/** What the model waits for may be back any moment, and asking is cheap. */
const passingBackoffMs = 1000;

export class Loader<R extends ModelRunner> {
  readonly #context: LoadContext<R>;
  readonly #ready: ReadyIndex<R>;
  readonly #gate: Gate;
  readonly #closings = new Set<Promise<void>>();
  #closed = false;

  constructor(context: LoadContext<R>, ready: ReadyIndex<R>) {
    this.#context = context;
    this.#ready = ready;
    this.#gate = new Gate(Math.max(2, context.options.cores));
  }

  /** Loads for a request and returns the model with a lease taken for the caller. @throws MODEL_FAILED, MODEL_NOT_READY. */
  async loadAndRetain(record: ModelRecord<R>, slot: VersionSlot<R>): Promise<LoadedModel<R>> {
    if (slot.loaded !== undefined) {
      slot.loaded.retain();
      return slot.loaded;
    }
    if (slot.loading === undefined) this.#refuseRepeated(record, slot);
    slot.waiters++;
    return this.load(record, slot);
  }

  /** Loads, or joins the load that runs, whatever happened before. Takes no lease. @throws MODEL_FAILED. */
  load(record: ModelRecord<R>, slot: VersionSlot<R>): Promise<LoadedModel<R>> {
    if (slot.loaded !== undefined) return Promise.resolve(slot.loaded);
    slot.loading ??= this.#loadInto(record, slot);
    return slot.loading;
  }

  /** Loads without touching any slot. @throws MODEL_FAILED with the model's name, and reports it. */
  async loadAside(request: LoadRequest): Promise<LoadedModel<R>> {
    const { name, file } = request;
    const { clock, telemetry, logger } = this.#context.deps;
    const { loadTimeoutMs } = this.#context.options;
    try {
      const loaded = await this.#enter(request, () => {
        if (this.#closed) throw shuttingDown();
        return withTimeLimit(
          clock,
          loadTimeoutMs,
          () => tookTooLong(loadTimeoutMs),
          (token) => loadVersion(this.#context, request, token),
        );
      });
      const { loadMs, notes } = loaded.parts;
      telemetry.modelLoaded(name, file.version, loadMs);
      logger.info({ model: name, version: file.version, loadMs: Math.round(loadMs), notes }, 'model loaded');
      return loaded;
    } catch (error) {
      const known = toHotpathError(error);
      if (known.code === 'SHUTTING_DOWN') throw known;
      telemetry.modelLoadFailed(name, file.version);
      logger.warn({ model: name, version: file.version, reason: reasonOf(error), err: error }, 'model failed to load');
      throw loadFailed(name, file.version, reasonOf(error), error);
    }
  }

  /** Puts a loaded model into its slot, where the index and the eviction find it. */
  install(record: ModelRecord<R>, slot: VersionSlot<R>, loaded: LoadedModel<R>): void {
    slot.loaded = loaded;
    slot.failure = undefined;
    loaded.pinned = slot.definition.config.pinned ?? false;
    loaded.parts.reservation.ready(loaded, () => this.#evict(record, slot, loaded));
  }

  /** From here on requests find it. */
  announce(record: ModelRecord<R>, loaded: LoadedModel<R>): void {
    this.#ready.publish(record);
    this.#context.deps.onReady?.(record.name, loaded.view.version, record.entry.config);
  }

  /** Takes the loaded model out of the slot and closes it behind its last lease. Resolves when it is gone. */
  retire(record: ModelRecord<R>, slot: VersionSlot<R>): Promise<void> {
    const { loaded } = slot;
    if (loaded === undefined) return Promise.resolve();
    slot.loaded = undefined;
    this.#ready.publish(record);
    return this.dispose(loaded, slot);
  }

  /** Closes a model that is in no slot (any more); `slot` shows `unloading` meanwhile. */
  dispose(loaded: LoadedModel<R>, slot?: VersionSlot<R>): Promise<void> {
    if (slot !== undefined) slot.closing++;
    const closing = loaded.retire().then(() => {
      if (slot !== undefined) slot.closing--;
      this.#closings.delete(closing);
    });
    this.#closings.add(closing);
    return closing;
  }

  /** Remembers why a version does not load, with a back-off that doubles while the cause stays the same. */
  rememberFailure(slot: VersionSlot<R>, error: HotpathError): void {
    if (error.code === 'SHUTTING_DOWN') return;
    const { key, failure } = slot;
    const repeatedMs = failure?.key === key ? Math.min(maxBackoffMs, failure.backoffMs * 2) : firstBackoffMs;
    const backoffMs = error.code === 'MODEL_NOT_READY' ? passingBackoffMs : repeatedMs;
    const reason = typeof error.details?.reason === 'string' ? error.details.reason : error.message;
    slot.failure = { error, reason, key, backoffMs, retryAtMs: this.#context.deps.clock.now() + backoffMs };
  }

  /** Refuses new loads and waits until every closing model is closed. The caller retires what is loaded. */
  refuse(): void {
    this.#closed = true;
  }

  async drained(): Promise<void> {
    while (this.#closings.size > 0) await Promise.all(this.#closings);
  }

  /** A pipeline waits for its models: held by the gate it could keep them from coming through. */
  #enter<T>({ config }: LoadRequest, work: () => Promise<T>): Promise<T> {
    return config.pipeline === undefined ? this.#gate.run(work) : work();
  }

  #evict(record: ModelRecord<R>, slot: VersionSlot<R>, loaded: LoadedModel<R>): void {
    const { name } = record;
    this.#context.deps.logger.info({ model: name, version: slot.version, leases: loaded.leases }, 'model evicted');
    if (slot.loaded === loaded) void this.retire(record, slot);
    else void this.dispose(loaded, slot);
  }

  #refuseRepeated(record: ModelRecord<R>, slot: VersionSlot<R>): void {
    if (slot.held) throw modelHeld(record.name, slot.version);
    const { failure } = slot;
    if (failure === undefined || failure.key !== slot.key) return;
    if (this.#context.deps.clock.now() < failure.retryAtMs) throw failure.error;
  }

  async #loadInto(record: ModelRecord<R>, slot: VersionSlot<R>): Promise<LoadedModel<R>> {
    const { name } = record;
    const { file, definition } = slot;
    try {
      const loaded = await this.loadAside({ ...definition, name, file, replaces: false });
      // Leases for all who wait are taken in the same breath: an eviction must not slip in before they run.
      loaded.retain(slot.waiters);
      this.install(record, slot, loaded);
      if (record.removed || this.#closed) void this.retire(record, slot);
      else this.announce(record, loaded);
      return loaded;
    } catch (error) {
      this.rememberFailure(slot, toHotpathError(error));
      throw error;
    } finally {
      slot.waiters = 0;
      slot.loading = undefined;
    }
  }
}

function tookTooLong(limitMs: number): HotpathError {
  return new HotpathError('MODEL_FAILED', `It did not load within ${limitMs / 1000} s.`);
}
