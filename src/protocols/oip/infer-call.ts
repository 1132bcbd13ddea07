/**
 * One infer request over REST as the core sees it: an InferCall whose `decode` binds the inputs once the model is known. Keeps
 * what the answer needs and nothing of the payload once it is decoded.
 */
import type { Tensor } from '../../core/tensor.ts';
import {
  type CacheDirective,
  CancelToken,
  type InferCall,
  type InferResponse,
  type ModelView,
  type Priority,
} from '../../core/types.ts';
import type { Caller } from '../../ports/access.ts';
import type { FetchedRows } from '../codecs/read-joined.ts';
import { type AnswerPlan, checkJsonForm, checkPlan, planAnswer, plannedNames } from './answer-plan.ts';
import { type BindLimits, bindInputs } from './bind-inputs.ts';
import { bindJoined } from './bind-joined.ts';
import { bindRawBody } from './bind-raw-body.ts';
import { hasWideIntegers, withExactIntegers } from './infer-json.ts';
import { readEntity, readSchedule, readSequence, type SequenceStep } from './parameters.ts';
import { type OipTarget, rawRequest, readJsonRequest } from './read-json-request.ts';
import type { OipRequest } from './request.ts';
import { type OipAnswer, writeResponse } from './write-response.ts';

export class OipCall implements InferCall {
  readonly model: string;
  readonly version: string | undefined;
  readonly outputs: readonly string[] | undefined;
  readonly priority: Priority | undefined;
  readonly timeoutMs: number | undefined;
  readonly cancel = new CancelToken();
  caller: Caller | undefined;
  cache: CacheDirective | undefined;
  readonly plan: AnswerPlan;
  /** Of stateful models; undefined when the request belongs to no sequence. */
  readonly sequence: SequenceStep | undefined;
  /** The model, once decoding has begun. */
  view: ModelView | undefined;
  /** From the parameter `entity`; undefined: the request brings all inputs. */
  readonly entities: readonly [string] | undefined;
  /** Only with entities, so that other requests make no closure of it. */
  readonly join: ((features: FetchedRows) => void) | undefined;
  #fetched: FetchedRows | undefined;
  #request: OipRequest | undefined;
  #rawBody: Uint8Array | undefined;
  #source: Buffer | undefined;
  readonly #limits: BindLimits;

  /** `rawBody`: the body of a raw request. `source`: the JSON it came from, for integers that the parser rounded. @throws INVALID_INPUT, UNSUPPORTED on wrong parameters. */
  constructor(request: OipRequest, rawBody: Uint8Array | undefined, limits: BindLimits, source?: Buffer) {
    this.model = request.model;
    this.version = request.version;
    const { priority, timeoutMs } = readSchedule(request.parameters);
    this.priority = priority;
    this.timeoutMs = timeoutMs;
    this.sequence = readSequence(request.parameters);
    this.plan = planAnswer(request, limits.maxInputs);
    this.outputs = plannedNames(this.plan);
    this.entities = readEntity(request.parameters);
    this.join =
      this.entities === undefined
        ? undefined
        : (features) => {
            this.#fetched = features;
          };
    this.#fetched = undefined;
    this.#request = request;
    this.#rawBody = rawBody;
    this.#limits = limits;
    this.#source = source;
  }

  /** An own property, so that it may be passed around without its object. */
  readonly decode = (model: ModelView): readonly Tensor[] => {
    this.view = model;
    const request = this.#request!;
    const rawBody = this.#rawBody;
    const source = this.#source;
    // The parsed body must not stay alive while the request waits in the queue.
    this.#request = undefined;
    this.#rawBody = undefined;
    this.#source = undefined;
    checkPlan(this.plan, model);
    checkJsonForm(this.plan, model);
    return rawBody === undefined ? this.#bind(request, model, source) : bindRawBody(rawBody, model);
  };

  #bind(request: OipRequest, model: ModelView, source: Buffer | undefined): readonly Tensor[] {
    if (this.entities !== undefined) {
      return bindJoined(request, model, this.#limits, this.entities[0], this.#fetched?.[0]);
    }
    try {
      return bindInputs(request, model, this.#limits);
    } catch (error) {
      const exact = source === undefined ? undefined : withExactIntegers(request, source);
      if (exact === undefined) throw error;
      return bindInputs(exact, model, this.#limits);
    }
  }
}

/**
 * A call from parsed JSON and the binary tensors behind it. With `source`, the bytes that `value` was parsed from, numbers beyond
 * 2^53 of INT64 and UINT64 inputs keep every digit. @throws INVALID_INPUT, UNSUPPORTED.
 */
export function jsonCall(
  value: unknown,
  binary: Uint8Array,
  target: OipTarget,
  limits: BindLimits,
  source?: Buffer,
): OipCall {
  const request = readJsonRequest(value, binary, target, limits);
  return new OipCall(request, undefined, limits, hasWideIntegers(request) ? source : undefined);
}

/** A call of a raw request, whose body is one input's bytes. */
export function rawCall(body: Uint8Array, target: OipTarget, limits: BindLimits): OipCall {
  return new OipCall(rawRequest(target), body, limits);
}

/** The answer to a call. Pure; the caller adds its own headers and sends. */
export function answer(call: OipCall, response: InferResponse): OipAnswer {
  return writeResponse(call.plan, response);
}
