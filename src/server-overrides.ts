/**
 * The registry as a catalog whose models can be loaded with a configuration or files from the call. A load without them goes back
 * to the folder, an unload forgets them. Used by server.ts, below the siblings. All or nothing: what fails to load changes nothing.
 */

import { isModelName } from './adapters/filesystem/model-folder.ts';
import type { OverlaySource, Override } from './adapters/filesystem/overlay-source.ts';
import type { TritonReader } from './adapters/filesystem/triton-folder.ts';
import { HotpathError, invalidInput } from './core/errors.ts';
import type { ModelCatalog, ModelStatus } from './core/registry/catalog.ts';
import { modelNotFound } from './core/registry/failures.ts';
import type { Logger } from './ports/logger.ts';
import type { LoadRequest } from './protocols/oip/repository.ts';

/** What the catalog needs of the registry. */
export interface ReloadingCatalog extends ModelCatalog {
  reload(model: string, force?: boolean): Promise<readonly ModelStatus[]>;
}

export interface OverridesDeps {
  readonly registry: ReloadingCatalog;
  readonly source: OverlaySource;
  readonly reader: () => Promise<TritonReader>;
  readonly logger: Logger;
}

export class OverridableCatalog implements ModelCatalog {
  readonly #deps: OverridesDeps;
  /** Model -> the end of what was last asked of it: changes of one model happen one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(deps: OverridesDeps) {
    this.#deps = deps;
  }

  list(model?: string): Promise<readonly ModelStatus[]> {
    return this.#deps.registry.list(model);
  }

  snapshot(): readonly ModelStatus[] {
    return this.#deps.registry.snapshot();
  }

  describe(model: string, versionOrLabel?: string): Promise<ModelStatus> {
    return this.#deps.registry.describe(model, versionOrLabel);
  }

  reload(model: string): Promise<readonly ModelStatus[]> {
    return this.#deps.registry.reload(model);
  }

  /** Of all versions: as the folder has them. One version stays what it is. */
  load(model: string, versionOrLabel?: string): Promise<ModelStatus> {
    const { registry, source } = this.#deps;
    if (versionOrLabel !== undefined) return registry.load(model, versionOrLabel);
    return this.#inTurn(model, async () => {
      if (source.override(model) !== undefined) {
        if (!(await source.hasFolder(model))) throw onlyUploaded(model);
        await this.#exchange(model, undefined);
      }
      return registry.load(model);
    });
  }

  /** Of all versions: also what a load call brought is forgotten. */
  unload(model: string, versionOrLabel?: string, hold = false): Promise<void> {
    const { registry } = this.#deps;
    if (versionOrLabel !== undefined) return registry.unload(model, versionOrLabel, hold);
    return this.#inTurn(model, async () => {
      try {
        await registry.unload(model, undefined, hold);
      } finally {
        await this.#forget(model);
      }
    });
  }

  /**
   * Loads the model with the configuration of the request and, if it has files, from these alone; what runs is swapped without a gap.
   * @returns what other processes need to do the same.
   * @throws INVALID_INPUT for a wrong configuration or file name, MODEL_NOT_FOUND, MODEL_FAILED: the old state serves on.
   */
  async loadOverride({ model, config, files }: LoadRequest): Promise<Override> {
    if (!isModelName(model)) throw wrongName();
    if (config === undefined) throw invalidInput('parameters.config', 'parameters.config: is missing.', 'a config');
    const { source, reader } = this.#deps;
    (await reader()).readJson(config, model);
    return this.#inTurn(model, async () => {
      if (files.length === 0 && !(await source.hasFolder(model))) throw modelNotFound(model);
      return this.#apply(model, await source.prepare(model, config, files));
    });
  }

  /** Does what another process of this server did. @throws as loadOverride. */
  async adopt(model: string, override: Override): Promise<void> {
    const { source } = this.#deps;
    await this.#inTurn(model, async () => this.#apply(model, await source.adopt(override)));
  }

  /** At the start, before anything is loaded: what another process has. */
  async begin(overrides: Iterable<readonly [model: string, override: Override]>): Promise<void> {
    const { source, logger } = this.#deps;
    for (const [model, override] of overrides) {
      try {
        source.set(model, await source.adopt(override));
      } catch (error) {
        // Gone since the other process told of it, or no room: the other models must not wait for it.
        logger.warn({ model, err: error }, 'what a load call brought was not taken over');
      }
    }
  }

  async #apply(model: string, override: Override): Promise<Override> {
    try {
      await this.#exchange(model, override);
    } catch (error) {
      await this.#deps.source.discard(override);
      throw error;
    }
    return override;
  }

  async #forget(model: string): Promise<void> {
    const { registry, source } = this.#deps;
    const override = source.override(model);
    if (override === undefined) return;
    source.set(model, undefined);
    // The registry looks at the source again, and drops a model that has no folder.
    await registry.list();
    await source.discard(override);
  }

  /** Forced, because an equal version that is loaded came from files that may go. */
  async #exchange(model: string, next: Override | undefined): Promise<void> {
    const { registry, source } = this.#deps;
    const previous = source.override(model);
    source.set(model, next);
    let swapped = false;
    try {
      await registry.reload(model, true);
      swapped = true;
      for (const { version, state } of await registry.list(model)) {
        if (state !== 'ready') await registry.load(model, version);
      }
    } catch (error) {
      source.set(model, previous);
      // The old versions serve still, or again; either way the registry has to see that the source is the old one.
      await (swapped ? registry.reload(model, true) : registry.list()).catch(() => {});
      throw error;
    }
    if (previous !== undefined) await source.discard(previous);
  }

  #inTurn<T>(model: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(model) ?? Promise.resolve()).then(work);
    const end = turn.then(
      () => {},
      () => {},
    );
    this.#turns.set(model, end);
    void end.then(() => {
      if (this.#turns.get(model) === end) this.#turns.delete(model);
    });
    return turn;
  }
}

function onlyUploaded(model: string): HotpathError {
  const message = `Model "${model}" came in a load call and has no folder in the repository to go back to; it serves on. Unload it to remove it.`;
  return new HotpathError('MODEL_NOT_FOUND', message, { field: 'model' });
}

function wrongName(): HotpathError {
  const expected = 'letters, digits, dots, dashes and underscores, the first a letter or digit';
  return invalidInput('model', `model: expected a name of ${expected}.`, expected);
}
