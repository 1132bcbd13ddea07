/**
 * The model repository as clients see it after load calls that brought a configuration or files: what came in a call lies over
 * the folder of that name and hides it. Made by the composition root around the folder's source; asked by the registry. It
 * changes what is found, never the repository itself.
 */
import type { ModelEntry, ModelFile, ModelSource } from '../../ports/model-source.ts';
import { FilesystemModelSource, type FilesystemModelSourceOptions } from './model-source.ts';
import { type UploadedFile, UploadStore } from './upload-store.ts';

/** What a load call brought for one model. */
export interface Override {
  /** Triton's ModelConfig as JSON object. */
  readonly config: object;
  /** The folder whose `<model>/` is the whole model; undefined: the files are those of the repository. */
  readonly folder: string | undefined;
}

interface Layer {
  readonly override: Override;
  readonly source: FilesystemModelSource;
}

export class OverlaySource implements ModelSource {
  readonly #options: FilesystemModelSourceOptions;
  readonly #repository: FilesystemModelSource;
  readonly #uploads: UploadStore;
  readonly #layers = new Map<string, Layer>();

  constructor(options: FilesystemModelSourceOptions, uploads = new UploadStore()) {
    this.#options = options;
    this.#repository = new FilesystemModelSource(options);
    this.#uploads = uploads;
  }

  /** Stores the files and returns the override, which is not in force yet. @throws INVALID_INPUT, MODEL_FAILED. */
  async prepare(model: string, config: object, files: readonly UploadedFile[]): Promise<Override> {
    const folder = files.length === 0 ? undefined : await this.#uploads.write(model, files);
    return { config, folder };
  }

  /** As `prepare`, of an override that another process of this server has. */
  async adopt({ config, folder }: Override): Promise<Override> {
    return { config, folder: folder === undefined ? undefined : await this.#uploads.copy(folder) };
  }

  /** Removes the files of an override that is not in force (any more). */
  async discard({ folder }: Override): Promise<void> {
    if (folder !== undefined) await this.#uploads.remove(folder);
  }

  /** Puts the override in force, or without one the folder again. What was in force before is for the caller to discard. */
  set(model: string, override: Override | undefined): void {
    if (override === undefined) {
      this.#layers.delete(model);
      return;
    }
    const { folder } = override;
    const source =
      folder === undefined ? this.#repository : new FilesystemModelSource({ ...this.#options, root: folder });
    this.#layers.set(model, { override, source });
  }

  override(model: string): Override | undefined {
    return this.#layers.get(model)?.override;
  }

  overrides(): ReadonlyMap<string, Override> {
    return new Map([...this.#layers].map(([model, { override }]) => [model, override]));
  }

  async hasFolder(model: string): Promise<boolean> {
    return (await this.#repository.find(model)) !== undefined;
  }

  async list(): Promise<readonly ModelEntry[]> {
    const found = await this.#repository.list();
    if (this.#layers.size === 0) return found;
    const over = await Promise.all([...this.#layers.keys()].map((name) => this.find(name)));
    const below = found.filter(({ name }) => !this.#layers.has(name));
    return [...below, ...over.filter((entry) => entry !== undefined)].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(name: string): Promise<ModelEntry | undefined> {
    const layer = this.#layers.get(name);
    return layer === undefined ? this.#repository.find(name) : layer.source.find(name, layer.override.config);
  }

  digest(file: ModelFile): Promise<string> {
    return this.#repository.digest(file);
  }

  readFile(model: string, path: string): Promise<Uint8Array> {
    return (this.#layers.get(model)?.source ?? this.#repository).readFile(model, path);
  }

  watch(onChange: (names: readonly string[]) => void): () => void {
    return this.#repository.watch(onChange);
  }

  /** Removes what was stored. Idempotent. */
  close(): Promise<void> {
    return this.#uploads.close();
  }
}
