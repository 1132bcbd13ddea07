/**
 * One predict request as the core sees it: an InferCall whose `decode` turns the payload into tensors once the model is
 * known. Keeps what the answer needs later: the model's view and the number of rows.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import { type CacheDirective, CancelToken, type InferCall, type ModelView, type Priority } from '../../core/types.ts';
import type { Caller } from '../../ports/access.ts';
import { NumberRow } from '../codecs/number-row.ts';
import { readRawTensor } from '../codecs/raw-tensor.ts';
import { readInputs, readShape } from '../codecs/read-inputs.ts';
import { type FetchedRows, readJoinedRow, readJoinedRows } from '../codecs/read-joined.ts';
import { readJson } from '../codecs/read-json.ts';
import { readFeatures, readInstances, readNumberRow } from '../codecs/read-row.ts';
import { limitNames, type PayloadKind, type PredictBody } from './predict-body.ts';

/** An octet-stream body: bytes, and the shape of the X-Tensor-Shape header when given. */
export interface RawPayload {
  readonly bytes: Buffer;
  readonly shape: readonly number[] | undefined;
}

/** The server's configuration serves as it is. */
export interface CallLimits {
  readonly maxDims: number;
  readonly maxInputs: number;
  readonly maxJsonDepth: number;
}

export class PredictCall implements InferCall {
  readonly model: string | undefined;
  readonly version: string | undefined;
  readonly outputs: readonly string[] | undefined;
  readonly priority: Priority | undefined;
  readonly timeoutMs: number | undefined;
  readonly batching: 'off' | undefined;
  readonly cancel = new CancelToken();
  caller: Caller | undefined;
  cache: CacheDirective | undefined;
  readonly kind: PayloadKind | 'raw';
  readonly labels: boolean;
  /** The model, once decoding has begun. */
  view: ModelView | undefined;
  /** Rows of the request; 1 for named inputs. */
  rows = 1;
  /** One per row; undefined: the request brings all features itself. */
  readonly entities: readonly string[] | undefined;
  /** Only with entities, so that other requests make no closure of it. */
  readonly join: ((features: FetchedRows) => void) | undefined;
  #fetched: FetchedRows | undefined;
  #payload: unknown;
  readonly #limits: CallLimits;

  constructor(body: PredictBody, raw: RawPayload | undefined, limits: CallLimits) {
    this.model = body.model;
    this.version = body.version;
    this.outputs = body.outputs;
    this.priority = body.priority;
    this.timeoutMs = body.timeoutMs;
    this.batching = body.batching;
    this.labels = body.labels;
    this.kind = raw === undefined ? body.kind : 'raw';
    this.entities = body.entities;
    this.join =
      body.entities === undefined
        ? undefined
        : (features) => {
            this.#fetched = features;
          };
    this.#fetched = undefined;
    this.#payload = raw ?? body.payload;
    this.#limits = limits;
  }

  /** An own property, so that it may be passed around without its object. */
  readonly decode = (model: ModelView): readonly Tensor[] => {
    this.view = model;
    let payload = this.#payload;
    // The parsed body must not stay alive while the request waits in the queue.
    this.#payload = undefined;
    checkOutputs(this.outputs, model);
    if (this.entities !== undefined) return this.#decodeJoined(this.entities, payload, model);
    if (payload instanceof NumberRow) {
      const tensor = readNumberRow(payload, model);
      if (tensor !== undefined) return [tensor];
      payload = (readJson(payload.body, this.#limits.maxJsonDepth) as { features: unknown }).features;
    }
    if (this.kind === 'features') {
      const tensors = readFeatures(payload, model);
      // Afterwards, so that an unknown name is named; it has ended the reading at once.
      limitNames('features', payload, this.#limits.maxInputs);
      return tensors;
    }
    if (this.kind === 'inputs') return readInputs(payload, model, this.#limits.maxDims);
    if (this.kind === 'raw') return [this.#readRaw(payload as RawPayload, model)];
    this.rows = Array.isArray(payload) ? payload.length : 0;
    return readInstances(payload, model);
  };

  #decodeJoined(entities: readonly string[], own: unknown, model: ModelView): readonly Tensor[] {
    const fetched = this.#fetched!;
    this.#fetched = undefined;
    if (this.kind === 'features') return readJoinedRow(entities[0]!, fetched[0], own, model);
    this.rows = entities.length;
    return readJoinedRows(entities, fetched, own, model);
  }

  #readRaw({ bytes, shape }: RawPayload, model: ModelView): Tensor {
    const { inputs } = model.signature;
    const spec = inputs[0];
    if (spec === undefined || inputs.length > 1) {
      throw invalidInput(
        'body',
        `A raw body fits models with one input; this one has ${inputs.length}.`,
        'JSON or MessagePack',
      );
    }
    const checked = shape === undefined ? undefined : readShape('X-Tensor-Shape', shape, spec, this.#limits.maxDims);
    const tensor = readRawTensor('body', bytes, checked, spec, model);
    this.rows = model.batchable ? tensor.shape[0]! : 1;
    return tensor;
  }
}

function checkOutputs(outputs: readonly string[] | undefined, model: ModelView): void {
  if (outputs === undefined) return;
  const known = model.signature.outputs.map((spec) => spec.name);
  for (const name of outputs) {
    if (known.includes(name)) continue;
    const skipped = model.signature.skippedOutputs.includes(name);
    const why = skipped ? 'is no tensor and cannot be fetched' : 'is unknown';
    throw new HotpathError(
      'INVALID_INPUT',
      `The output "${name.slice(0, 100)}" ${why}; the model has: ${known.join(', ')}.`,
      {
        field: 'outputs',
        expected: known.join(', '),
      },
    );
  }
}
