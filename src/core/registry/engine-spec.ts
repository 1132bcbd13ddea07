/**
 * How a version is probed: one session with one thread, as its configuration wants it. Called by load-version.ts, and by `tune`, which must
 * see the very same. Pure.
 */
import type { EngineSpec } from '../../ports/engine.ts';
import type { ModelConfig, ModelFile } from '../../ports/model-source.ts';

export interface ProbedVersion {
  readonly name: string;
  readonly file: Pick<ModelFile, 'version' | 'path'>;
  readonly config: ModelConfig;
}

/** @param runTimeoutMs of models that say nothing of it */
export function probeSpec({ name, file, config }: ProbedVersion, digest: string, runTimeoutMs: number): EngineSpec {
  return {
    name,
    version: file.version,
    path: file.path,
    digest,
    executionProviders: config.executionProviders ?? ['cpu'],
    fallbackToCpu: config.fallbackToCpu ?? false,
    instances: 1,
    intraOpThreads: 1,
    runTimeoutMs: config.runTimeoutMs ?? runTimeoutMs,
    sessionOptions: config.sessionOptions,
    upstream: config.upstream,
  };
}
