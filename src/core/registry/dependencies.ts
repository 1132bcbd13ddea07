/**
 * What the registry needs from outside, and the numbers it obeys. The composition root fills it in. The batcher comes in
 * as a factory, so that the registry knows of it only what it must: its status and how to drain it.
 */
import type { Clock } from '../../ports/clock.ts';
import type { Engine } from '../../ports/engine.ts';
import type { FeaturesConfig } from '../../ports/feature-source.ts';
import type { Logger } from '../../ports/logger.ts';
import type { ModelConfig, ModelSource } from '../../ports/model-source.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import type { BatcherOptions } from '../batching/batcher.ts';
import type { FeatureCache } from '../features/feature-cache.ts';
import type { PipelineRunnerOptions } from '../pipeline/pipeline-runner.ts';
import type { Declared } from '../runner.ts';
import type { TensorSpec } from '../tensor.ts';
import type { ModelView } from '../types.ts';
import type { CacheIdentity } from './cache-identity.ts';

/** The registry's side of a batcher; requests go through the rest of it, which the registry passes on untouched. */
export interface ModelRunner {
  status(): RunnerStatus;
  /** Of stateful models: sequences that end when it closes. */
  readonly liveSequences?: number;
  /** Refuses new work and resolves when everything accepted was answered. */
  close(): Promise<void>;
}

export interface RunnerStatus {
  readonly queue: { readonly rows: number; readonly requests: number; readonly bytes: number };
  readonly busyInstances: number;
  readonly inFlightRequests: number;
  readonly sloInfeasible: boolean;
}

/** What the registry knows of a batcher to be made; `model` has the model's own signature. */
export type RunnerOptions = Omit<BatcherOptions, 'random'> & Declared & CacheFacts;

export interface CacheFacts {
  /** As clients see the model. */
  readonly view: ModelView;
  /** Undefined: answers are not cached. */
  readonly cache: CacheIdentity | undefined;
}

/** What the registry knows of a pipeline to be made. */
export type PipelineOptions = Omit<PipelineRunnerOptions, 'infer'> & Pick<Declared, 'presentation'>;

export interface RegistryDeps<R extends ModelRunner> {
  readonly source: ModelSource;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
  readonly createBatcher: (options: RunnerOptions) => R;
  /** Absent: `features` of models have no effect. @throws MODEL_FAILED when the configuration cannot work. */
  readonly openFeatures?:
    | ((model: string, config: FeaturesConfig, inputs: readonly TensorSpec[]) => Promise<OpenFeatures>)
    | undefined;
  /** Told when a version begins to answer: after its first load, after each later one, and after a swap. */
  readonly onReady?: ((model: string, version: string, config: ModelConfig) => void) | undefined;
  /** Absent: models that are pipelines fail to load. */
  readonly createPipeline?: ((options: PipelineOptions) => R) | undefined;
}

/** Where the features of one loaded version come from. */
export interface OpenFeatures {
  readonly cache: Pick<FeatureCache, 'getMany'>;
  /** After the last request of the version. Idempotent. */
  close(): Promise<void>;
}

export interface RegistryOptions {
  /** '' takes the only model, or `iris`. */
  readonly defaultModel: string;
  /** Cores the engines may use. */
  readonly cores: number;
  /** Bytes all loaded models may occupy; 0: no limit. */
  readonly memoryBudget: number;
  /** 0: no limit. */
  readonly maxLoadedModels: number;
  readonly loadTimeoutMs: number;
  /** Deadline of requests that bring none, for models without their own. */
  readonly sloMs: number;
  readonly runTimeoutMs: number;
  readonly maxQueueRows: number;
  readonly maxQueueBytes: number;
  /** Reload what changes in the source. */
  readonly watch: boolean;
  /** Load every served version at start, not only the pinned ones. */
  readonly preload: boolean;
}
