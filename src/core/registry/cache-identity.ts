/**
 * Whether a version's answers may be cached, and all that they depend on beside the inputs. Two versions with equal identities give
 * equal answers; anything that could change an answer must be in it. Called by load-version.ts.
 */
import type { CacheConfig } from '../../ports/cache-config.ts';
import type { ModelDefinition } from '../../ports/model-source.ts';

export interface CacheIdentity {
  readonly config: CacheConfig;
  /** Digest of the model's files, and the part of its configuration that answers depend on. */
  readonly content: string;
}

/** `digest` of the file and its external data. Undefined: answers are not cached. */
export function cacheIdentityOf({ config, triton }: ModelDefinition, digest: string): CacheIdentity | undefined {
  const { cache, deterministic } = config;
  const wanted = cache ?? (deterministic === true || triton?.responseCache === true ? {} : false);
  if (wanted === false || triton?.sequence !== undefined) return undefined;
  const { engine, upstream, executionProviders, fallbackToCpu, sessionOptions, nan } = config;
  const { inputs, outputs, maxBatchSize } = triton ?? {};
  const parts = {
    digest,
    engine,
    upstream,
    executionProviders,
    fallbackToCpu,
    sessionOptions,
    nan,
    inputs,
    outputs,
    maxBatchSize,
  };
  return { config: wanted, content: JSON.stringify(parts) };
}
