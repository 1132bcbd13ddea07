/**
 * Which models are live. The hot path calls `acquire` for every request; protocols and the admin API see it as a ModelCatalog;
 * the composition root starts and closes it. It decides when a version is loaded, swapped and freed; how that is done lies in
 * loader.ts, reload.ts and memory-room.ts. It never runs a request.
 */
import type { ModelDefinition } from '../../ports/model-source.ts';
import { HotpathError } from '../errors.ts';
import type { ModelCatalog, ModelStatus } from './catalog.ts';
import type { ModelRunner, RegistryDeps, RegistryOptions } from './dependencies.ts';
import { Directory } from './directory.ts';
import { modelNotFound, quote, shuttingDown } from './failures.ts';
import type { Lease } from './loaded-model.ts';
import { Loader } from './loader.ts';
import { MemoryRoom } from './memory-room.ts';
import { definitionOf, type ModelRecord, type VersionSlot } from './model-record.ts';
import { ReadyIndex } from './ready-index.ts';
import { type ReloadContext, reloadModel } from './reload.ts';
import { recordStatus, slotStatus } from './status.ts';
import { resolveVersion } from './version-policy.ts';

export class ModelRegistry<R extends ModelRunner> implements ModelCatalog {
  readonly #deps: RegistryDeps<R>;
  readonly #options: RegistryOptions;
  readonly #ready = new ReadyIndex<R>();
  readonly #room: MemoryRoom;
  readonly #directory: Directory<R>;
  readonly #loader: Loader<R>;
  readonly #reload: ReloadContext<R>;
  #tick = 0;
  #stopWatching: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(deps: RegistryDeps<R>, options: RegistryOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#room = new MemoryRoom(options);
    this.#directory = new Directory(deps.source, deps.clock, options.defaultModel);
    const acquire = this.acquire.bind(this);
    this.#loader = new Loader({ deps, options, room: this.#room, acquire }, this.#ready);
    this.#reload = { source: deps.source, directory: this.#directory, loader: this.#loader, ready: this.#ready };
  }

  /** The model of requests that name none; undefined when there is no obvious one. */
  get defaultModel(): string | undefined {
    return this.#directory.defaultName;
  }

  /** Bytes of everything loaded, loading and closing, as planned from the probes. */
  get usedBytes(): number {
    return this.#room.usedBytes;
  }

  /** Loads the pinned models, with `preload` all of them, and starts watching. Models that fail are `failed`; it does not throw for them. */
  async start(): Promise<void> {
    if (this.#options.watch) {
      this.#stopWatching = this.#deps.source.watch((names) => {
        for (const name of names) void this.#sourceChanged(name);
      });
    }
    const records = await this.#directory.refreshAll();
    const loads: Promise<unknown>[] = [];
    for (const record of records) {
      if (!this.#eager(record) || record.entry.configError !== undefined) continue;
      for (const slot of record.slots.values()) loads.push(this.#loader.load(record, slot));
    }
    await Promise.allSettled(loads);
  }

  /** Loads a version, the default model's without a name, as its first request would. Never throws: the status tells. */
  async warm(name?: string, version?: string): Promise<void> {
    try {
      (await this.acquire(name, version)).release();
    } catch (error) {
      if (!(error instanceof HotpathError)) throw error;
    }
  }

  /**
   * The model for one request, with a lease on it. At once when the version is ready, otherwise after its load.
   * @throws MODEL_NOT_FOUND, MODEL_NOT_READY, MODEL_FAILED, SHUTTING_DOWN: always as a rejection.
   */
  acquire(name: string | undefined, version?: string): Lease<R> | Promise<Lease<R>> {
    const wanted = name ?? this.#directory.defaultName;
    const loaded = wanted === undefined ? undefined : this.#ready.find(wanted, version);
    if (loaded === undefined) return this.#acquireSlow(name, version);
    loaded.lastUsed = ++this.#tick;
    loaded.retain();
    return loaded;
  }

  /** Whether requests of the version are answered without a load. */
  isReady(model: string, version: string): boolean {
    return this.#ready.find(model, version) !== undefined;
  }

  /** What the configuration of a known model says; undefined before anybody asked for it. Synchronous and cheap. */
  definition(model: string): ModelDefinition | undefined {
    const entry = this.#directory.records.get(model)?.entry;
    return entry === undefined ? undefined : definitionOf(entry);
  }

  async list(model?: string): Promise<readonly ModelStatus[]> {
    if (model !== undefined) return recordStatus(await this.#directory.refresh(model));
    return (await this.#directory.refreshAll()).flatMap(recordStatus);
  }

  snapshot(): readonly ModelStatus[] {
    return [...this.#directory.records.values()].flatMap(recordStatus).filter((status) => status.state !== 'unloaded');
  }

  async describe(model: string, versionOrLabel?: string): Promise<ModelStatus> {
    const record = await this.#directory.find(model);
    return slotStatus(record, this.#slot(record, versionOrLabel));
  }

  async load(model: string, versionOrLabel?: string): Promise<ModelStatus> {
    this.#refuseWhenClosed();
    const record = await this.#directory.refresh(model);
    await this.#adoptChanges(record);
    while (record.reloading !== undefined) await record.reloading;
    const slot = this.#loadableSlot(record, versionOrLabel);
    slot.held = false;
    const loaded = await this.#loader.load(record, slot);
    loaded.lastUsed = ++this.#tick;
    return slotStatus(record, slot);
  }

  async unload(model: string, versionOrLabel?: string, hold = false): Promise<void> {
    const record = this.#directory.records.get(model) ?? (await this.#directory.find(model));
    await record.reloading;
    const slots = versionOrLabel === undefined ? [...record.slots.values()] : [this.#slot(record, versionOrLabel)];
    await Promise.all(slots.map((slot) => this.#unloadSlot(record, slot, hold)));
  }

  /** @param force loads again even if file and config are what is running. */
  async reload(model: string, force = false): Promise<readonly ModelStatus[]> {
    this.#refuseWhenClosed();
    const record = await this.#directory.refresh(model);
    await reloadModel(this.#reload, record, force);
    return recordStatus(record);
  }

  /** Refuses new requests, finishes those that hold a lease, frees everything. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#closeAll();
    return this.#closed;
  }

  async #acquireSlow(name: string | undefined, version: string | undefined): Promise<Lease<R>> {
    this.#refuseWhenClosed();
    const record = await this.#directory.find(name ?? (await this.#directory.findDefault()));
    // What a reload is about to replace must not be loaded. No await between this loop and the load, or one could slip in.
    while (record.reloading !== undefined) await record.reloading;
    this.#refuseWhenClosed();
    const slot = this.#loadableSlot(record, version);
    const loaded = await this.#loader.loadAndRetain(record, slot);
    loaded.lastUsed = ++this.#tick;
    return loaded;
  }

  #loadableSlot(record: ModelRecord<R>, version: string | undefined): VersionSlot<R> {
    const { configError } = record.entry;
    if (configError !== undefined) {
      throw new HotpathError('MODEL_FAILED', `Model ${quote(record.name)} could not be loaded: ${configError}`);
    }
    return this.#slot(record, version);
  }

  #slot(record: ModelRecord<R>, version: string | undefined): VersionSlot<R> {
    if (record.removed) throw modelNotFound(record.name);
    return record.slots.get(resolveVersion(record.entry, record.served, version).version)!;
  }

  /** An explicit load takes what lies in the source now; while something is loaded that needs a swap. */
  async #adoptChanges(record: ModelRecord<R>): Promise<void> {
    if (!record.busy) return;
    const entry = await this.#deps.source.find(record.name);
    if (entry !== undefined && record.differsFrom(entry)) await reloadModel(this.#reload, record, false);
  }

  async #unloadSlot(record: ModelRecord<R>, slot: VersionSlot<R>, hold: boolean): Promise<void> {
    slot.held = hold;
    await slot.loading?.catch(() => {});
    await this.#loader.retire(record, slot);
  }

  #eager(record: ModelRecord<R>): boolean {
    return this.#options.preload || record.entry.config.pinned === true;
  }

  /** A changed folder: swap what is in use, drop what is gone, and leave the rest to its first request. */
  async #sourceChanged(name: string): Promise<void> {
    this.#directory.forgetAbsence(name);
    try {
      const known = this.#directory.records.get(name);
      const record = known?.busy ? known : await this.#directory.refresh(name);
      if (this.#closed === undefined && (known?.busy || this.#eager(record))) {
        await reloadModel(this.#reload, record, false);
      }
    } catch (error) {
      if (error instanceof HotpathError && error.code === 'MODEL_NOT_FOUND') return;
      this.#deps.logger.warn({ model: name, err: error }, 'a changed model was not taken over');
    }
  }

  async #closeAll(): Promise<void> {
    this.#stopWatching?.();
    this.#ready.close();
    this.#loader.refuse();
    await Promise.all([...this.#directory.records.values()].map((record) => this.#closeRecord(record)));
    await this.#loader.drained();
  }

  async #closeRecord(record: ModelRecord<R>): Promise<void> {
    await record.reloading;
    await Promise.all([...record.slots.values()].map((slot) => this.#unloadSlot(record, slot, false)));
  }

  #refuseWhenClosed(): void {
    if (this.#closed !== undefined) throw shuttingDown();
  }
}
