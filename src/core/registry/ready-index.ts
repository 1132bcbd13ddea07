/**
 * Name and version or label -> loaded model, for versions that are ready. The hot path looks here and nowhere else: two Map
 * lookups and no allocation. Rebuilt for a model whenever one of its versions becomes ready or stops being so.
 */
import type { ModelRunner } from './dependencies.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { ModelRecord } from './model-record.ts';

interface ReadyVersions<R extends ModelRunner> {
  readonly newest: LoadedModel<R> | undefined;
  readonly byVersion: ReadonlyMap<string, LoadedModel<R>>;
}

export class ReadyIndex<R extends ModelRunner> {
  readonly #models = new Map<string, ReadyVersions<R>>();
  #closed = false;

  find(name: string, version: string | undefined): LoadedModel<R> | undefined {
    const model = this.#models.get(name);
    if (model === undefined) return undefined;
    return version === undefined ? model.newest : model.byVersion.get(version);
  }

  publish(record: ModelRecord<R>): void {
    const byVersion = new Map<string, LoadedModel<R>>();
    for (const { version } of record.served.files) {
      const loaded = record.slots.get(version)?.loaded;
      if (loaded !== undefined) byVersion.set(version, loaded);
    }
    for (const [label, version] of Object.entries(record.entry.config.labels ?? {})) {
      const loaded = byVersion.get(version);
      if (loaded !== undefined) byVersion.set(label, loaded);
    }
    if (byVersion.size === 0 || record.removed || this.#closed) this.#models.delete(record.name);
    else this.#models.set(record.name, { newest: byVersion.get(record.served.newest?.version ?? ''), byVersion });
  }

  /** Nothing is ready any more, now and later. */
  close(): void {
    this.#closed = true;
    this.#models.clear();
  }
}
