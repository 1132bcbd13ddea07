/**
 * `hotpath/client`: a typed client on fetch, for browsers, Node, Deno and Bun. Predictions over the native API, tensors over the
 * Open Inference Protocol, which other servers speak too. Must import nothing that a browser does not have.
 */
import type { Priority } from '../core/types.ts';
import { type ClientClock, realClock } from './deadline.ts';
import { type CallOptions, HttpExchange, type HttpRequest } from './http-exchange.ts';
import { decodeInferAnswer } from './infer-answer.ts';
import { type AnyInfer, type Infer, inferCallOf, isRepeatable } from './infer-api.ts';
import { type BinaryMode, encodeInferRequest } from './infer-request.ts';
import { type ModelMetadata, readMetadata } from './model-metadata.ts';
import type { AnyFeatures, AnyModels, Features, ModelMap, ModelName } from './model-types.ts';
import {
  jsonOf,
  type ModelList,
  type Prediction,
  type Predictions,
  type PredictOptions,
  predictRequest,
} from './native-api.ts';
import { Retrier, type RetryOptions, retryOptionsOf } from './retry.ts';

export { type ClientErrorCode, HotpathClientError } from './client-error.ts';
export type { CallOptions } from './http-exchange.ts';
export type { Infer, InferOptions, InferResult } from './infer-api.ts';
export type { BinaryMode } from './infer-request.ts';
export type { ModelMetadata, TensorInfo } from './model-metadata.ts';
export type * from './model-types.ts';
export type { ModelInfo, ModelList, PredictedValue, Prediction, Predictions, PredictOptions } from './native-api.ts';
export type { RetryOptions } from './retry.ts';
export type { Priority };

export interface ClientOptions {
  /** Of the server, with or without a path in front of its routes: `http://127.0.0.1:8000`. */
  readonly url: string;
  /** @default the runtime's */
  readonly fetch?: typeof globalThis.fetch;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds for a call with its retries. @default none: the model's SLO decides */
  readonly timeoutMs?: number;
  /** How often and how a call is tried again. @default 2 retries */
  readonly retries?: number | Partial<RetryOptions>;
  /**
   * How `infer` sends tensors: as JSON, as bytes behind the JSON, or by size. Answers come as bytes unless `never`.
   * @default "auto"
   */
  readonly binary?: BinaryMode;
  /** Uniform in [0, 1), for the jitter of retries. @default Math.random */
  readonly random?: () => number;
  /** Time, for tests. */
  readonly clock?: ClientClock;
}

/** Every call @throws HotpathClientError. */
export interface HotpathClient<Models extends ModelMap<Models> = AnyModels> {
  /** One row: a list of the model's one input, or an object by input name. The server's default model unless named. */
  predict<Name extends ModelName<Models>>(
    features: Features<Models[Name]>,
    options: PredictOptions<Name> & { readonly model: Name },
  ): Promise<Prediction>;
  predict(features: AnyFeatures, options?: PredictOptions<never>): Promise<Prediction>;
  /** Many rows in one request. */
  predictBatch<Name extends ModelName<Models>>(
    instances: readonly Features<Models[Name]>[],
    options: PredictOptions<Name> & { readonly model: Name },
  ): Promise<Predictions>;
  predictBatch(instances: readonly AnyFeatures[], options?: PredictOptions<never>): Promise<Predictions>;
  /** Tensors in and out, over the Open Inference Protocol. */
  readonly infer: Infer<Models>;
  /** Loads the model if it is not loaded. */
  metadata(model: ModelName<Models>, options?: CallOptions & { readonly version?: string }): Promise<ModelMetadata>;
  /** Every model the server has, loaded or not. */
  models(options?: CallOptions): Promise<ModelList>;
  /** Whether the server, or the model, takes predictions now. False when nobody answers; throws only CANCELLED. */
  ready(model?: ModelName<Models>, options?: CallOptions): Promise<boolean>;
  /** Whether a server answers. Throws only CANCELLED. */
  live(options?: CallOptions): Promise<boolean>;
}

export function createClient<Models extends ModelMap<Models> = AnyModels>(
  options: ClientOptions,
): HotpathClient<Models> {
  const { random = Math.random, clock = realClock, binary = 'auto' } = options;
  const http = new HttpExchange({
    url: options.url.replace(/\/+$/, ''),
    // Called as a method of something else, a browser's fetch refuses.
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
    headers: options.headers ?? {},
    timeoutMs: options.timeoutMs,
    clock,
    retrier: new Retrier(retryOptionsOf(options.retries), random),
  });

  const predictWith =
    (path: string, field: 'features' | 'instances') =>
    async (rows: unknown, given: PredictOptions = {}): Promise<Prediction & Predictions> =>
      jsonOf(await http.call(given, (leftMs) => predictRequest(path, field, rows, given, leftMs)));

  const infer: AnyInfer = async (model, inputs, given = {}) => {
    const call = inferCallOf(inputs, given);
    const path = `${modelPath(model, given.version)}/infer`;
    const request = (leftMs: number | undefined): HttpRequest => {
      const { body, jsonBytes } = encodeInferRequest(call, binary, leftMs);
      return { method: 'POST', path, body, headers: bodyHeaders(jsonBytes) };
    };
    const answer = await http.call(given, request, isRepeatable(call));
    const length = answer.headers.get(lengthHeader);
    return decodeInferAnswer(answer.bytes, length === null ? undefined : Number(length));
  };

  return {
    predict: predictWith('/api/v1/predict', 'features'),
    predictBatch: predictWith('/api/v1/predict/batch', 'instances'),
    infer: infer as unknown as Infer<Models>,
    async metadata(model, given = {}) {
      const path = modelPath(model, given.version);
      return readMetadata(jsonOf(await http.call(given, () => ({ method: 'GET', path }))));
    },
    async models(given = {}) {
      return jsonOf(await http.call(given, () => ({ method: 'GET', path: '/api/v1/models' })));
    },
    async ready(model, given = {}) {
      const path = model === undefined ? '/v2/health/ready' : `${modelPath(model, undefined)}/ready`;
      return (await http.probe(given, path)) === 200;
    },
    async live(given = {}) {
      return (await http.probe(given, '/v2/health/live')) === 200;
    },
  };
}

const lengthHeader = 'inference-header-content-length';

function bodyHeaders(jsonBytes: number | undefined): Record<string, string> {
  if (jsonBytes === undefined) return { 'content-type': 'application/json' };
  return { 'content-type': 'application/octet-stream', [lengthHeader]: String(jsonBytes) };
}

function modelPath(model: string, version: string | undefined): string {
  const path = `/v2/models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}
