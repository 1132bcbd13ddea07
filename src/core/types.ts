/** The words the hot path speaks: calls, responses, timings, model states. Data only. */
import type { Caller } from '../ports/access.ts';
import type { CacheOutcome } from '../ports/cache-store.ts';
import type { FeatureRow } from '../ports/feature-source.ts';
import type { NamedTensor, Signature, Tensor } from './tensor.ts';

/** 0 is the default and the most important; lower importance sees wider admission margins. */
export type Priority = 0 | 1 | 2 | 3;

/** Why a batch left the queue: it was full, an instance was idle, its linger ended, the model drains, or batching is off for it. */
export type ReleaseReason = 'full' | 'idle' | 'linger-expired' | 'drain' | 'solo';

/**
 * How a protocol tells the core that its client left. Cheaper than an AbortSignal (no listeners, no events), because one
 * is made per request. The protocol calls `cancel()`; the core sets `onCancel` while the request waits.
 */
export class CancelToken {
  cancelled = false;
  onCancel: (() => void) | undefined;

  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.onCancel?.();
  }
}

/** The place of a request in a sequence, for stateful models. */
export interface SequenceStep {
  /** Chosen by the client; the numbers 5 and 5n are one id, the text "5" is another. */
  readonly id: number | bigint | string;
  /** First of its sequence: begins with a fresh state. */
  readonly start: boolean;
  /** Last of its sequence: its state is dropped after the answer. */
  readonly end: boolean;
}

/** One prediction as a protocol asks for it. */
export interface InferCall {
  /** Undefined: the configured default model. */
  readonly model: string | undefined;
  /** A version number or a label such as `stable`; undefined: the newest served version. */
  readonly version?: string | undefined;
  /**
   * Turns the wire's payload into tensors, one per signature input and in its order, once the signature is known.
   * Called exactly once, after the model is ready. Throws INVALID_INPUT.
   */
  readonly decode: (model: ModelView) => readonly Tensor[];
  /** Output names wanted, a subset of the signature's; undefined: all. */
  readonly outputs?: readonly string[] | undefined;
  /** @default the model's, which is 0 unless its configuration says otherwise */
  readonly priority?: Priority | undefined;
  /** Milliseconds the client will wait, counted from the arrival; undefined: the model's SLO. */
  readonly timeoutMs?: number | undefined;
  /** `off` runs this request alone, for comparison. */
  readonly batching?: 'off' | undefined;
  /** Required by stateful models, without effect on others. */
  readonly sequence?: SequenceStep | undefined;
  readonly cancel?: CancelToken | undefined;
  /** `no-cache` computes anew and replaces what is cached; `no-store` neither looks nor stores. */
  readonly cache?: CacheDirective | undefined;
  /** Who asks; undefined while anybody may. */
  readonly caller?: Caller | undefined;
  /** Entities whose features are joined with the request's own, one per row. */
  readonly entities?: readonly string[] | undefined;
  /** Is given what was fetched, in the order of `entities`, before `decode`; undefined: unknown. @throws INVALID_INPUT. */
  readonly join?: ((features: readonly (FeatureRow | undefined)[]) => void) | undefined;
}

export type CacheDirective = 'no-cache' | 'no-store';

/** What a protocol may know of a model while it decodes and encodes. */
export interface ModelView {
  readonly name: string;
  readonly version: string;
  readonly signature: Signature;
  /** True when axis 0 of every tensor is a proven batch axis. */
  readonly batchable: boolean;
  /** Names of the classes, by index, from `model.json`. */
  readonly labels: readonly string[] | undefined;
  /** Names of the classes by output, from the label files of a `config.pbtxt`. */
  readonly outputLabels?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Of requests that bring none. @default 0 */
  readonly defaultPriority?: Priority | undefined;
  /** `reject` refuses NaN and infinities in float inputs. */
  readonly nan: 'reject' | 'allow';
}

/** Where the time went, in milliseconds. `batchMs` is merge and hand-over, `inferMs` the run itself. */
export interface InferTiming {
  readonly decodeMs: number;
  readonly queueMs: number;
  readonly batchMs: number;
  readonly inferMs: number;
  /** Rows of the batch the (last part of the) request ran in. */
  readonly batchRows: number;
  /** `cached`: no batch was needed. */
  readonly release: ReleaseReason | 'cached';
}

export interface InferResponse {
  readonly model: ModelView;
  readonly outputs: readonly NamedTensor[];
  readonly timing: InferTiming;
  /** Undefined for models without a cache. */
  readonly cache?: CacheOutcome | undefined;
  /** Under which the prediction is found later; undefined when predictions are not logged. */
  readonly predictionId?: string | undefined;
}

export type ModelState = 'unloaded' | 'loading' | 'ready' | 'unloading' | 'failed';
