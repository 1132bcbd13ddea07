/**
 * Puts the response cache before the runners of models that want it, and drops what a replaced version left behind. Part of the
 * composition root; called by the registry's hooks.
 */
import type { ResponseCache } from './core/cache/response-cache.ts';
import type { RunnerOptions } from './core/registry/dependencies.ts';
import type { Runner } from './core/runner.ts';

export class CachedModels {
  readonly #cache: ResponseCache;
  readonly #openDatabase: () => Promise<unknown>;
  /** Content of each version: of the one loaded last, and of the one that answers. */
  readonly #loaded = new Map<string, string>();
  readonly #serving = new Map<string, string>();

  /** `openDatabase`: of the tier in it; a failure there is told by the tier's own calls. */
  constructor(cache: ResponseCache, openDatabase: () => Promise<unknown>) {
    this.#cache = cache;
    this.#openDatabase = openDatabase;
  }

  /** Whether a model with a cache was ever loaded. */
  get any(): boolean {
    return this.#loaded.size > 0;
  }

  /** The runner itself where answers are not cached. */
  wrap(runner: Runner, { cache, view, sloMs, telemetry }: RunnerOptions): Runner {
    if (cache === undefined) return runner;
    // Opening takes longer than a request waits for a tier: the first ones would find nothing.
    if (cache.config.tiers?.includes('database')) this.#openDatabase().catch(() => {});
    this.#loaded.set(`${view.name}/${view.version}`, cache.content);
    return this.#cache.wrap(runner, { view, contentHash: cache.content, config: cache.config, sloMs, telemetry });
  }

  /** The version answers now: nothing asks for what its predecessor's content left in any tier. */
  ready(model: string, version: string): void {
    const key = `${model}/${version}`;
    const content = this.#loaded.get(key);
    const before = this.#serving.get(key);
    if (content === undefined) return;
    this.#serving.set(key, content);
    if (before !== undefined && before !== content) void this.#cache.invalidateReplaced(model, version, before);
  }
}
