/**
 * What the registry knows of one model: the adopted entry of the source, and one slot per version with its state.
 * Pure bookkeeping without timers or I/O; the loader and the reload change it, the directory keeps it.
 */
import type { ModelDefinition, ModelEntry, ModelFile } from '../../ports/model-source.ts';
import type { HotpathError } from '../errors.ts';
import type { ModelState } from '../types.ts';
import type { ModelRunner } from './dependencies.ts';
import { loadKey } from './load-request.ts';
import type { LoadedModel } from './loaded-model.ts';
import { type ServedVersions, serveVersions } from './version-policy.ts';

export interface LoadFailure {
  readonly error: HotpathError;
  readonly reason: string;
  /** File and config it failed with: with others it may be tried again at once. */
  readonly key: string;
  readonly retryAtMs: number;
  readonly backoffMs: number;
}

/** One version, loaded or not. */
export class VersionSlot<R extends ModelRunner> {
  readonly version: string;
  file: ModelFile;
  definition: ModelDefinition;
  loaded: LoadedModel<R> | undefined;
  loading: Promise<LoadedModel<R>> | undefined;
  /** Callers of the running load who will hold a lease the moment it is ready. */
  waiters = 0;
  /** Retired models of this version that are not closed yet. */
  closing = 0;
  failure: LoadFailure | undefined;
  /** Unloaded by an operator who wants it to stay so. */
  held = false;

  constructor(file: ModelFile, definition: ModelDefinition) {
    this.version = file.version;
    this.file = file;
    this.definition = definition;
  }

  get state(): ModelState {
    if (this.loaded !== undefined) return 'ready';
    if (this.loading !== undefined) return 'loading';
    if (this.closing > 0) return 'unloading';
    return this.failure === undefined ? 'unloaded' : 'failed';
  }

  get key(): string {
    const { path, sizeBytes, modifiedMs, problem } = this.file;
    return `${path}:${sizeBytes}:${modifiedMs}:${problem ?? ''}:${loadKey(this.definition)}`;
  }
}

export class ModelRecord<R extends ModelRunner> {
  readonly name: string;
  readonly slots = new Map<string, VersionSlot<R>>();
  entry: ModelEntry;
  served: ServedVersions;
  /** When the source was last asked for it. */
  checkedAtMs: number;
  /** Set once its folder is gone: it must not come back into the index. */
  removed = false;
  /** The reload in progress; loads wait for it, or they would load what is about to be replaced. */
  reloading: Promise<unknown> | undefined;
  /** Version -> why the state on disk was refused by the last reload, while the old one keeps serving. */
  rejected: ReadonlyMap<string, string> = new Map();

  constructor(entry: ModelEntry, nowMs: number) {
    this.name = entry.name;
    this.entry = entry;
    this.served = serveVersions(entry);
    this.checkedAtMs = nowMs;
    this.adopt(entry);
  }

  get busy(): boolean {
    if (this.reloading !== undefined) return true;
    return [...this.slots.values()].some((slot) => slot.loaded !== undefined || slot.loading !== undefined);
  }

  /** Makes `entry` the truth. Slots no longer served are dropped and returned when something is loaded in them. */
  adopt(entry: ModelEntry): LoadedModel<R>[] {
    this.entry = entry;
    this.served = serveVersions(entry);
    this.rejected = new Map();
    const orphans: LoadedModel<R>[] = [];
    for (const slot of this.slots.values()) {
      if (this.served.files.some((file) => file.version === slot.version)) continue;
      this.slots.delete(slot.version);
      if (slot.loaded !== undefined) orphans.push(slot.loaded);
    }
    for (const file of this.served.files) this.#adoptFile(file, definitionOf(entry));
    return orphans;
  }

  /**
   * Takes over what a look at the source found as far as that disturbs nobody: all of it while nothing is loaded, otherwise
   * the files of versions that are not loaded, if versions and config are the same. The rest waits for a reload.
   */
  adoptQuietly(entry: ModelEntry, nowMs: number): void {
    this.checkedAtMs = nowMs;
    if (!this.busy) this.adopt(entry);
    else if (sameOutline(this.entry, entry)) {
      for (const file of entry.versions) {
        const slot = this.slots.get(file.version);
        if (slot !== undefined && slot.loaded === undefined && slot.loading === undefined) slot.file = file;
      }
    }
  }

  /** True when the source holds something else than what is served. */
  differsFrom(entry: ModelEntry): boolean {
    return !sameOutline(this.entry, entry) || JSON.stringify(this.entry.versions) !== JSON.stringify(entry.versions);
  }

  #adoptFile(file: ModelFile, definition: ModelDefinition): void {
    const slot = this.slots.get(file.version) ?? new VersionSlot<R>(file, definition);
    slot.file = file;
    slot.definition = definition;
    if (slot.loaded !== undefined) slot.loaded.pinned = definition.config.pinned ?? false;
    this.slots.set(file.version, slot);
  }
}

export function definitionOf({ config, triton, notes, outputLabels, tuning }: ModelEntry): ModelDefinition {
  return { config, triton, notes, outputLabels, tuning };
}

function sameOutline(a: ModelEntry, b: ModelEntry): boolean {
  const outline = ({ versions, config, configError, triton, outputLabels, tuning }: ModelEntry) =>
    JSON.stringify([versions.map((file) => file.version), config, configError, triton, outputLabels, tuning]);
  return outline(a) === outline(b);
}
