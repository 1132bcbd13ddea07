/**
 * What runs models. An engine probes an unknown file in a disposable process, loads it as instances, and runs whole batches.
 * Implementations: engines/onnx (worker threads), engines/fake (tests, dry runs). Nothing above this port knows ONNX Runtime.
 */
import type { Signature, Tensor } from '../core/tensor.ts';
import type { CancelToken } from '../core/types.ts';
import type { UpstreamConfig } from './upstream-config.ts';

export type ExecutionProvider = 'cpu' | 'webgpu' | 'cuda' | 'tensorrt';

export interface EngineSpec {
  /** For messages and thread names. */
  readonly name: string;
  readonly version: string;
  /** Absolute path of the model file. */
  readonly path: string;
  /** SHA-256 of the file, hex; keys the probe cache. */
  readonly digest: string;
  /** In order of preference. @default ['cpu'] */
  readonly executionProviders: readonly ExecutionProvider[];
  /** Fall back to `cpu` with a warning when no provider of the list can be had. @default false */
  readonly fallbackToCpu: boolean;
  readonly instances: number;
  readonly intraOpThreads: number;
  /** A run longer than this is a hang: its worker is replaced. */
  readonly runTimeoutMs: number;
  /** ONNX Runtime session options passed through verbatim (`extra.session.*` keys included). */
  readonly sessionOptions?: Readonly<Record<string, unknown>> | undefined;
  /** Set for a model that other servers run: then `path` and `digest` are those of its configuration. */
  readonly upstream?: UpstreamConfig | undefined;
  /** Whether runs will be batches of several requests; known when it is loaded, not when it is probed. */
  readonly batched?: boolean | undefined;
}

/** What is learned about a model in the disposable child, and cached by content. */
export interface ProbeReport {
  readonly signature: Signature;
  /** Proven by running joined and single batches of different rows (decision 8), or the reason why not. */
  readonly batch: { readonly safe: true } | { readonly safe: false; readonly reason: string };
  /** Median milliseconds of one run of one row with one thread; undefined when no trial input ran. */
  readonly singleRunMs: number | undefined;
  /** The shape each input had in the trial run (batch axis 1), in signature order; what warm-up uses. Undefined when none ran. */
  readonly trialShapes: readonly (readonly number[])[] | undefined;
  /** Growth of resident memory by loading and running once, in bytes. */
  readonly memoryBytes: number;
  /** Oddities worth telling: outputs skipped, trial input refused with the runtime's message. */
  readonly notes: readonly string[];
  /** The provider that was really used; `remote` for a model that other servers run. */
  readonly executionProvider: ExecutionProvider | 'remote';
  /** Most rows a run may have, when the engine knows of a limit. */
  readonly maxBatchSize?: number | undefined;
}

export interface EngineRun {
  /** Tensors in the order of the signature's outputs, or of `outputs` when given. */
  readonly outputs: readonly Tensor[];
  /** Milliseconds inside the runtime. */
  readonly inferMs: number;
  /** Input buffers the engine is done with, to be filled again; absent when it keeps or never had them. */
  readonly recycled?: readonly ArrayBuffer[];
}

/** What is known of those who wait for a run, for engines that can make use of it. */
export interface RunLimits {
  /** When the last of them stops waiting, on the server's clock; Infinity when one of them did not say. */
  readonly deadlineMs: number;
  /** Cancelled when none of them waits any more. */
  readonly cancel: CancelToken;
}

/** One session on its own thread, or one place for a call to an upstream; runs one batch at a time. */
export interface EngineInstance {
  readonly id: number;
  /** False while its worker is being replaced. */
  readonly available: boolean;
  /**
   * Runs one batch. `inputs` are in signature order; their buffers are given away (transferred) and must not be touched again.
   * @throws ENGINE_FAILED when the runtime refuses the input (the instance stays usable),
   *         ENGINE_CRASHED when the worker died or hung (`available` is false until it is replaced).
   */
  run(inputs: readonly Tensor[], outputs?: readonly string[], limits?: RunLimits): Promise<EngineRun>;
  /** True when `run` heeds `limits`; otherwise nobody makes them. @default false */
  readonly takesLimits?: boolean;
  /** Called whenever `available` turns true again after a crash. One listener: the batcher. */
  onAvailable: (() => void) | undefined;
}

export interface EngineModel {
  readonly signature: Signature;
  readonly instances: readonly EngineInstance[];
  readonly executionProvider: ExecutionProvider | 'remote';
  /** Refuses new runs, lets running ones finish, then ends the threads. Idempotent. */
  close(): Promise<void>;
}

export interface Engine {
  /** @throws MODEL_FAILED with the reason: unreadable, unsupported, killed the child, timed out. */
  probe(spec: EngineSpec): Promise<ProbeReport>;
  /** @throws MODEL_FAILED. */
  load(spec: EngineSpec, signature: Signature): Promise<EngineModel>;
  close(): Promise<void>;
}
