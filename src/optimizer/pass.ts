/**
 * What every optimization pass is given and gives back. A pass is one file in passes/: it changes a Graph that its caller made for it
 * and says for each layer what it did or why it left it alone. It never writes files and never decides whether the result is good:
 * that is verify's and the gate's.
 */
import type { Tensor, TensorSpec } from '../core/tensor.ts';
import type { Random } from '../ports/clock.ts';
import type { Graph } from './graph/graph.ts';

/** Tensors by input name. */
export type Feeds = Readonly<Record<string, Tensor>>;

/** Runs models. In production sessions in a worker thread (the composition root gives it), in tests onnxruntime-node itself. */
export interface ModelRunner {
  /** `model`: bytes of a .onnx file, or the path of one with external data. @throws MODEL_FAILED in the runtime's words. */
  open(model: Uint8Array | string, options?: RunnerOptions): Promise<OpenModel>;
}

export interface RunnerOptions {
  /** @default 1 */
  readonly intraOpThreads?: number;
  /** @default 'all' */
  readonly graphOptimizationLevel?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all';
  /** Further session options, such as `extra`. */
  readonly sessionOptions?: Readonly<Record<string, unknown>>;
  /** Where the runtime saves the graph as it optimized it. */
  readonly optimizedModelFilePath?: string;
}

export interface OpenModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** All outputs, or those named, by name. */
  run(feeds: Feeds, fetches?: readonly string[]): Promise<Readonly<Record<string, Tensor>>>;
  close(): Promise<void>;
}

/** Rows that the model is calibrated, repaired or verified on. */
export interface Dataset {
  readonly rows: number;
  /** Class index or value per row, where known. */
  readonly labels: ArrayLike<number> | undefined;
  /** Feeds of rows `start` to `start + count`, joined along axis 0. */
  slice(start: number, count: number): Feeds;
}

export interface PassContext {
  readonly runner: ModelRunner;
  /** Undefined: the pass has to do without. */
  readonly calibration: Dataset | undefined;
  /** The model before all passes, which must not change it; for those that aim at its answers. */
  readonly original?: Graph | undefined;
  readonly random: Random;
  /** Cancels between layers. */
  readonly signal: AbortSignal | undefined;
  /** 0 to 1 of this pass. */
  readonly onProgress: (share: number, what: string) => void;
}

export interface PassReport {
  /** Name and settings, as people read them: `static INT8 (min-max, per channel)`. */
  readonly title: string;
  readonly changed: readonly LayerChange[];
  readonly skipped: readonly LayerChange[];
  /** Sentences for the report. */
  readonly notes: readonly string[];
  /** Operators that the runtime must show in its optimized graph, with how many: verified by verify. */
  readonly expectedFused?: Readonly<Record<string, number>> | undefined;
  /** True when the result is tied to this processor. */
  readonly machineSpecific?: boolean | undefined;
}

export interface LayerChange {
  /** Name of the node, or of its first output where it has none. */
  readonly node: string;
  readonly opType: string;
  /** What was done, or why nothing was. */
  readonly what: string;
}

/** One optimization; `Settings` are its own. @throws INVALID_INPUT naming the node, the graph then being of no use. */
export type Pass<Settings> = (graph: Graph, settings: Settings, context: PassContext) => Promise<PassReport>;
