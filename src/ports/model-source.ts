/** Where models lie. Adapter: adapters/filesystem. A source only finds and describes; it never runs anything. */
import type { ExecutionProvider } from './engine.ts';
import type { TritonModelConfig } from './triton-config.ts';

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
}

export interface ModelSource {
  /** All models, by name. Broken folders are reported in the entry, never thrown. */
  list(): Promise<readonly ModelEntry[]>;
  /** One model; undefined if there is no such folder or the name is not a legal model name. */
  find(name: string): Promise<ModelEntry | undefined>;
  /** SHA-256 of the file, hex. */
  digest(file: ModelFile): Promise<string>;
  /** Calls back with the names of models whose folder changed, debounced. Returns the stop function. */
  watch(onChange: (names: readonly string[]) => void): () => void;
}
