/** Where models lie. Adapter: adapters/filesystem. A source only finds and describes; it never runs anything. */

import type { CacheConfig } from './cache-config.ts';
import type { ExecutionProvider } from './engine.ts';
import type { FeaturesConfig } from './feature-source.ts';
import type { TritonModelConfig } from './triton-config.ts';
import type { ModelTuning } from './tuning.ts';
import type { UpstreamConfig } from './upstream-config.ts';

/** Contents of `model.json`, every field optional; checked by config/model-config.ts. See docs/reference/model-config.md. */
export interface ModelConfig {
  readonly instances?: number;
  readonly intraOpThreads?: number;
  readonly executionProviders?: readonly ExecutionProvider[];
  readonly fallbackToCpu?: boolean;
  readonly batching?: 'auto' | 'off' | 'force';
  readonly maxBatchSize?: number;
  readonly maxDelayMs?: number;
  readonly sloMs?: number;
  readonly runTimeoutMs?: number;
  /** Rows per run of the warm-up sweep; [] skips it. @default 1, 2, 4 .. maxBatchSize */
  readonly warmupRows?: readonly number[];
  readonly pinned?: boolean;
  readonly versionPolicy?: { readonly latest: number } | 'all' | readonly string[];
  /** Label -> version. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Class names by index, added to answers as `label`. */
  readonly classNames?: readonly string[];
  readonly nan?: 'reject' | 'allow';
  readonly maxQueueRows?: number;
  readonly sessionOptions?: Readonly<Record<string, unknown>>;
  /** `remote`: the servers of `upstream` run it; its versions need no file. @default 'onnx' */
  readonly engine?: 'onnx' | 'remote';
  /** Set if and only if `engine` is `remote`. */
  readonly upstream?: UpstreamConfig;
  /** The model has no file of its own: it hands tensors through other models. */
  readonly pipeline?: PipelineConfig;
  /** Equal inputs always give equal outputs: its answers may be cached without further configuration. @default false */
  readonly deterministic?: boolean;
  /** @default on with its own defaults if `deterministic`, else false */
  readonly cache?: CacheConfig | false;
  /** Requests may name an entity whose features are fetched. */
  readonly features?: FeaturesConfig;
}

export interface PipelineConfig {
  readonly steps: readonly PipelineStep[];
  /** In the order clients see them. @default the tensors that no step makes */
  readonly inputs?: readonly string[] | undefined;
  /** @default the tensors that no step takes */
  readonly outputs?: readonly string[] | undefined;
}

export interface PipelineStep {
  readonly model: string;
  /** A version or a label. @default the newest */
  readonly version?: string | undefined;
  /** Name of the model's input -> name of the pipeline's tensor. All inputs of the model. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Name of the model's output -> name of the pipeline's tensor. */
  readonly outputs: Readonly<Record<string, string>>;
}

export interface ModelFile {
  /** A positive integer as text, e.g. "1". */
  readonly version: string;
  /** Absolute path; never shown to clients. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Set when the file must not be opened (leads out of the repository, is no regular file): the version is `failed` with this sentence. */
  readonly problem?: string | undefined;
}

export interface ModelEntry {
  readonly name: string;
  /** Ascending by number. */
  readonly versions: readonly ModelFile[];
  readonly config: ModelConfig;
  /** Set when model.json or config.pbtxt is unreadable or wrong: the model is `failed` with this sentence. */
  readonly configError?: string | undefined;
  /** What a `config.pbtxt` declares beyond `config`; undefined for a model with model.json or without any file. */
  readonly triton?: TritonModelConfig | undefined;
  /** Sentences about fields of the config.pbtxt that have no effect here, or another one than in Triton. */
  readonly notes?: readonly string[] | undefined;
  /** Class names per output, from the label files that `triton` names. */
  readonly outputLabels?: Readonly<Record<string, readonly string[]>> | undefined;
  /** From `tuning.json`; undefined without that file. */
  readonly tuning?: ModelTuning | undefined;
}

/** What the configuration says of a model, whichever file it came from, and what tuning found out. */
export type ModelDefinition = Pick<ModelEntry, 'config' | 'triton' | 'notes' | 'outputLabels' | 'tuning'>;

export interface ModelSource {
  /** All models, by name. Broken folders are reported in the entry, never thrown. */
  list(): Promise<readonly ModelEntry[]>;
  /** One model; undefined if there is no such folder or the name is not a legal model name. */
  find(name: string): Promise<ModelEntry | undefined>;
  /** SHA-256 of the file and of the external data it names, hex. */
  digest(file: ModelFile): Promise<string>;
  /** A file of the model's folder that its configuration names, such as `initial_state/zeros`. @throws MODEL_FAILED saying what is wrong. */
  readFile(model: string, path: string): Promise<Uint8Array>;
  /** Calls back with the names of models whose folder changed, debounced. Returns the stop function. */
  watch(onChange: (names: readonly string[]) => void): () => void;
}
