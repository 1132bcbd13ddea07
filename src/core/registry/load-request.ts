/** What a load needs to know and what it works with, for load-version.ts and load-pipeline.ts; and what makes two loads equal. */
import type { ModelDefinition, ModelFile } from '../../ports/model-source.ts';
import type { ModelRunner, RegistryDeps, RegistryOptions } from './dependencies.ts';
import type { Lease } from './loaded-model.ts';
import type { MemoryRoom } from './memory-room.ts';

export interface LoadContext<R extends ModelRunner> {
  readonly deps: RegistryDeps<R>;
  readonly options: RegistryOptions;
  readonly room: MemoryRoom;
  /** Loads a model that a pipeline needs, and takes a lease on it. */
  readonly acquire: (model: string, version: string | undefined) => Lease<R> | Promise<Lease<R>>;
}

export interface LoadRequest extends ModelDefinition {
  readonly name: string;
  readonly file: ModelFile;
  /** True when a running version of this model stays until this one replaces it. */
  readonly replaces: boolean;
}

/** The part of the configuration that a loaded version is made of. Equal keys and digests mean: no need to load again. */
export function loadKey({ config, triton, outputLabels, tuning }: ModelDefinition): string {
  const { versionPolicy: _, labels: __, pinned: ___, ...rest } = config;
  const own = JSON.stringify(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)));
  return triton === undefined && tuning === undefined ? own : JSON.stringify([own, triton, outputLabels, tuning]);
}
