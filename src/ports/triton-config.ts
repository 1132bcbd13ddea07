/**
 * What a Triton `config.pbtxt` declares beyond ModelConfig: the signature clients see, and how requests are to be scheduled.
 * Made by config/triton, carried by the model source, read by the protocols. Data only.
 */
import type { Datatype } from '../core/tensor.ts';

export interface TritonModelConfig {
  readonly name: string;
  /** An `ensemble` has no file; it runs the steps of `ensemble`. */
  readonly kind: 'onnx' | 'ensemble';
  /**
   * 0: the dims of inputs and outputs are the whole shape. From 1: the model's first axis is the batch, clients send and get
   * `[rows, ...dims]` with at most this many rows.
   */
  readonly maxBatchSize: number;
  /** As declared, in the order of the file; empty where the file leaves them to the model. */
  readonly inputs: readonly DeclaredTensor[];
  readonly outputs: readonly DeclaredTensor[];
  /** File name inside a version folder. @default "model.onnx" */
  readonly modelFile: string;
  readonly priorities?: DeclaredPriorities | undefined;
  readonly sequence?: DeclaredSequence | undefined;
  /** Steps in the order of the file; set if and only if `kind` is `ensemble`. */
  readonly ensemble?: readonly EnsembleStep[] | undefined;
  readonly warmup: readonly DeclaredWarmup[];
  readonly responseCache: boolean;
  /** One request may have several answers. */
  readonly decoupled: boolean;
  readonly parameters: Readonly<Record<string, string>>;
  /** The whole file as a plain object with Triton's names; what `/config` is rendered from. */
  readonly written: Readonly<Record<string, unknown>>;
}

export interface DeclaredTensor {
  readonly name: string;
  /** Undefined: left to the model. */
  readonly datatype: Datatype | undefined;
  /** Without the batch axis; -1 is variable. Undefined: left to the model. */
  readonly dims: readonly number[] | undefined;
  /** What the model sees in the place of `dims`, without the batch axis. */
  readonly reshape?: readonly number[] | undefined;
  /** The batch axis included where there is one. Undefined when `dims` is. */
  readonly clientShape: readonly number[] | undefined;
  readonly modelShape: readonly number[] | undefined;
  /** Inputs only: requests may leave it out. */
  readonly optional: boolean;
  /** Outputs only: name of a file in the model's folder with the class names. */
  readonly labelFile?: string | undefined;
}

export interface DeclaredPriorities {
  readonly levels: number;
  readonly defaultLevel: number;
}

export interface DeclaredSequence {
  readonly strategy: 'direct' | 'oldest';
  /** An idle sequence is forgotten after this. @default 1000000 */
  readonly maxIdleMicroseconds: number;
  /** Most sequences at a time; undefined: as many as slots. */
  readonly maxSequences?: number | undefined;
  readonly maxDelayMicroseconds: number;
  /** Input tensors of the model that the server fills. */
  readonly controls: readonly SequenceControl[];
  readonly states: readonly SequenceState[];
}

export interface SequenceControl {
  readonly input: string;
  readonly kind: 'start' | 'end' | 'ready' | 'correlation-id';
  readonly datatype: Datatype;
  /** Values for no and yes; undefined for the correlation id. */
  readonly falseTrue?: readonly [number, number] | undefined;
}

export interface SequenceState {
  readonly input: string;
  readonly output: string;
  readonly datatype: Datatype;
  /** Without the batch axis. */
  readonly dims: readonly number[];
  /** Of the initial state, without the batch axis. @default `dims` with 1 for what is variable */
  readonly initialDims?: readonly number[] | undefined;
  /** How a new sequence begins: zeros, or the bytes of a file in `initial_state/` of the model's folder. @default zeros */
  readonly initialFile?: string | undefined;
}

export interface EnsembleStep {
  readonly model: string;
  /** Undefined: the newest. */
  readonly version: string | undefined;
  /** Name of the model's input -> name of the ensemble's tensor. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Name of the model's output -> name of the ensemble's tensor. */
  readonly outputs: Readonly<Record<string, string>>;
}

export interface DeclaredWarmup {
  readonly name: string;
  /** Rows of the request; 0 or 1 for a model without a batch axis. */
  readonly batchSize: number;
  /** @default 1 */
  readonly count: number;
  readonly inputs: readonly WarmupInput[];
}

export interface WarmupInput {
  readonly name: string;
  readonly datatype: Datatype;
  /** Without the batch axis. */
  readonly dims: readonly number[];
  /** `file`: the bytes of `file` in `warmup/` of the model's folder. */
  readonly data: 'zero' | 'random' | 'file';
  readonly file?: string | undefined;
}
