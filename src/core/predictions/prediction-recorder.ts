/**
 * Turns an answered or failed request into a record of the prediction log. infer() calls it once per request, after the answer is
 * known and before it is sent. It must cost next to nothing: no promise unless the answer has to wait, no digest, no store.
 */
import type { ErrorCode } from '../errors.ts';
import { type NamedTensor, type Tensor, type TensorSpec, tensorBytes } from '../tensor.ts';
import type { ModelView } from '../types.ts';
import { namesHeader, rememberedHeader } from './named-tensors.ts';
import type { PredictionIds } from './prediction-id.ts';
import type { PredictionWriter } from './prediction-writer.ts';
import { TensorSlab } from './tensor-slab.ts';

export interface PredictionFacts {
  readonly model: ModelView;
  /** '' when anonymous. */
  readonly caller: string;
  readonly rows: number;
  readonly status: 'OK' | ErrorCode;
  readonly durationMs: number;
  /** '' when the model has no cache. */
  readonly cache: string;
  /** In the signature's order; undefined when decoding failed. Read before `record` returns, never after. */
  readonly inputs: readonly Tensor[] | undefined;
  /** Those that were asked for; undefined when there is no answer. */
  readonly outputs: readonly NamedTensor[] | undefined;
  /** Until when (by the clock) the answer may be held back; undefined: not at all, as for failed requests. */
  readonly holdUntilMs: number | undefined;
}

export interface PredictionRecorderOptions {
  readonly ids: PredictionIds;
  readonly writer: PredictionWriter;
  /** Unix milliseconds, whole. */
  readonly wallClock: () => number;
  /** Inputs or outputs with more bytes are left out; 0: always. */
  readonly maxBytes: number;
}

/** What an answer is told: its id, none (the record was dropped or is not yet durable), or to wait for one of the two. */
export type Recorded = string | undefined | Promise<string | undefined>;

export class PredictionRecorder {
  readonly #options: PredictionRecorderOptions;
  readonly #slab = new TensorSlab();

  constructor(options: PredictionRecorderOptions) {
    this.#options = options;
  }

  /** Never throws, and the promise never rejects: a prediction is worth more than its record. */
  record(facts: PredictionFacts): Recorded {
    const { ids, writer, wallClock } = this.#options;
    if (!writer.takes(facts.holdUntilMs)) {
      writer.drop();
      return undefined;
    }
    const { model, inputs, outputs } = facts;
    const id = ids.next(wallClock());
    return writer.add(
      {
        id,
        createdMs: ids.lastMs,
        model,
        status: facts.status,
        caller: facts.caller,
        rows: facts.rows,
        durationMs: facts.durationMs,
        cache: facts.cache,
        inputs: inputs === undefined ? undefined : this.#encode(inputs, model.signature.inputs),
        outputs: outputs === undefined ? undefined : this.#encodeOutputs(outputs, model.signature.outputs),
        settle: undefined,
      },
      facts.holdUntilMs,
    );
  }

  #encode(tensors: readonly Tensor[], specs: readonly TensorSpec[]): Uint8Array | undefined {
    if (!fitsWithin(tensors, this.#options.maxBytes)) return undefined;
    return this.#slab.encode(rememberedHeader(specs), tensors);
  }

  /** The request may have asked for some of them only. */
  #encodeOutputs(outputs: readonly NamedTensor[], specs: readonly TensorSpec[]): Uint8Array | undefined {
    if (outputs.length === specs.length) return this.#encode(outputs, specs);
    if (!fitsWithin(outputs, this.#options.maxBytes)) return undefined;
    return this.#slab.encode(namesHeader(outputs), outputs);
  }
}

function fitsWithin(tensors: readonly Tensor[], maxBytes: number): boolean {
  let bytes = 0;
  for (let index = 0; index < tensors.length; index++) bytes += tensorBytes(tensors[index]!);
  return maxBytes > 0 && bytes <= maxBytes;
}
