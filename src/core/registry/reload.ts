/**
 * Brings a model to the state of the source without a gap: everything new is loaded beside the old, then one synchronous step
 * swaps the index, then the old drains behind its last lease. All or nothing: if one new version fails, the old ones keep
 * serving and the failure is told. Called by the registry for the admin, for explicit loads and for the watcher.
 */
import type { ModelEntry, ModelFile, ModelSource } from '../../ports/model-source.ts';
import { HotpathError, toHotpathError } from '../errors.ts';
import type { ModelRunner } from './dependencies.ts';
import type { Directory } from './directory.ts';
import { loadFailed, modelNotFound, reasonOf } from './failures.ts';
import { loadKey } from './load-request.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { Loader } from './loader.ts';
import { definitionOf, type ModelRecord } from './model-record.ts';
import type { ReadyIndex } from './ready-index.ts';
import { resolveVersion, serveVersions } from './version-policy.ts';

export interface ReloadContext<R extends ModelRunner> {
  readonly source: ModelSource;
  readonly directory: Directory<R>;
  readonly loader: Loader<R>;
  readonly ready: ReadyIndex<R>;
}

/** Waits for the reload in progress, then runs its own. @throws MODEL_NOT_FOUND when the model is gone, MODEL_FAILED. */
export async function reloadModel<R extends ModelRunner>(
  context: ReloadContext<R>,
  record: ModelRecord<R>,
  force: boolean,
): Promise<void> {
  while (record.reloading !== undefined) await record.reloading;
  const work = reloadAlone(context, record, force);
  // Those who wait only wait; the outcome belongs to the caller.
  record.reloading = work.then(
    () => {},
    () => {},
  );
  try {
    await work;
  } finally {
    record.reloading = undefined;
  }
}

async function reloadAlone<R extends ModelRunner>(
  context: ReloadContext<R>,
  record: ModelRecord<R>,
  force: boolean,
): Promise<void> {
  await settleLoads(record);
  const entry = await context.source.find(record.name);
  if (entry === undefined || record.removed) {
    removeModel(context, record);
    throw modelNotFound(record.name);
  }
  refuseBroken(record, entry);
  const fresh = new Map<string, LoadedModel<R>>();
  for (const file of targets(record, entry)) {
    const current = record.slots.get(file.version)?.loaded;
    try {
      if (!force && current !== undefined && (await isSame(context.source, current, entry, file))) continue;
      const request = { ...definitionOf(entry), name: record.name, file, replaces: true };
      fresh.set(file.version, await context.loader.loadAside(request));
    } catch (error) {
      for (const loaded of fresh.values()) void context.loader.dispose(loaded);
      throw rejectReload(context, record, file, error);
    }
  }
  swap(context, record, entry, fresh);
}

/** Takes the model out of the directory; what is loaded drains. */
export function removeModel<R extends ModelRunner>(context: ReloadContext<R>, record: ModelRecord<R>): void {
  context.directory.remove(record);
  for (const slot of record.slots.values()) void context.loader.retire(record, slot);
}

/** Loads already running finish first, so that the swap finds every slot at rest. New ones wait for `reloading`. */
async function settleLoads<R extends ModelRunner>(record: ModelRecord<R>): Promise<void> {
  await Promise.allSettled([...record.slots.values()].map((slot) => slot.loading));
}

function refuseBroken<R extends ModelRunner>(record: ModelRecord<R>, entry: ModelEntry): void {
  const { served, name } = record;
  if (entry.configError !== undefined) {
    record.rejected = new Map(served.files.map((file) => [file.version, entry.configError!]));
    throw new HotpathError('MODEL_FAILED', `Model "${name}" could not be reloaded: ${entry.configError}`);
  }
  // Throws with the reason when the entry serves no version at all.
  resolveVersion(entry, serveVersions(entry), undefined);
}

/** The version that requests without one get, and every version that is in use. Others load on their first request. */
function targets<R extends ModelRunner>(record: ModelRecord<R>, entry: ModelEntry): ModelFile[] {
  const { files, newest } = serveVersions(entry);
  const inUse = new Set<string>();
  for (const slot of record.slots.values()) if (slot.loaded !== undefined) inUse.add(slot.version);
  for (const [label, version] of Object.entries(record.entry.config.labels ?? {})) {
    const moved = entry.config.labels?.[label];
    if (inUse.has(version) && moved !== undefined) inUse.add(moved);
  }
  return files.filter((file) => file === newest || inUse.has(file.version) || entry.config.pinned === true);
}

async function isSame<R extends ModelRunner>(
  source: ModelSource,
  loaded: LoadedModel<R>,
  entry: ModelEntry,
  file: ModelFile,
): Promise<boolean> {
  if (loaded.parts.configKey !== loadKey(entry)) return false;
  return entry.config.pipeline !== undefined || loaded.parts.digest === (await source.digest(file));
}

/** Keeps what runs, and remembers why the new state was refused. */
function rejectReload<R extends ModelRunner>(
  { loader }: ReloadContext<R>,
  record: ModelRecord<R>,
  file: ModelFile,
  cause: unknown,
): HotpathError {
  const known = toHotpathError(cause);
  if (known.code === 'SHUTTING_DOWN') return known;
  const named = known.details?.reason !== undefined;
  const error = named ? known : loadFailed(record.name, file.version, reasonOf(cause), cause);
  const slot = record.slots.get(file.version);
  if (slot !== undefined && slot.loaded === undefined) {
    slot.file = file;
    loader.rememberFailure(slot, error);
  }
  record.rejected = new Map([[file.version, String(error.details?.reason)]]);
  return error;
}

/** One synchronous step: before it every request finds the old versions, after it the new ones. */
function swap<R extends ModelRunner>(
  { loader, ready }: ReloadContext<R>,
  record: ModelRecord<R>,
  entry: ModelEntry,
  fresh: ReadonlyMap<string, LoadedModel<R>>,
): void {
  const old = record.adopt(entry);
  for (const [version, loaded] of fresh) {
    const slot = record.slots.get(version)!;
    const predecessor = slot.loaded;
    loader.install(record, slot, loaded);
    slot.held = false;
    if (predecessor !== undefined) old.push(predecessor);
  }
  ready.publish(record);
  for (const loaded of fresh.values()) loader.announce(record, loaded);
  for (const loaded of old) void loader.dispose(loaded);
}
