/** Turns the settings that say "0: what the machine grants" into numbers. Used by server.ts only. */
import { grantedCores } from './config/cores.ts';
import { memoryLimitBytes } from './config/memory-limit.ts';
import type { Config } from './config/schema.ts';
import type { RegistryOptions } from './core/registry/dependencies.ts';

export function registryOptions(config: Config): RegistryOptions {
  const cores = config.threads > 0 ? config.threads : Math.max(1, Math.floor(grantedCores() / config.workers));
  const memoryBudget =
    config.memoryBudget > 0 ? config.memoryBudget : Math.floor(memoryLimitBytes() / 2 / config.workers);
  return {
    defaultModel: config.defaultModel,
    cores,
    memoryBudget,
    maxLoadedModels: config.maxLoadedModels,
    loadTimeoutMs: config.loadTimeoutMs,
    sloMs: config.sloMs,
    runTimeoutMs: config.runTimeoutMs,
    maxQueueRows: config.maxQueueRows,
    maxQueueBytes: config.maxQueueBytes,
    watch: config.watch,
    preload: config.preload,
  };
}
