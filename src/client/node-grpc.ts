/**
 * `hotpath/client/grpc`: the typed client over gRPC, for Node. The same `infer` as the fetch client, for Hotpath, Triton and every
 * other server of `inference.GRPCInferenceService`. Needs no gRPC library: node:http2 and the few messages it takes.
 */
import type { HotpathClientError } from './client-error.ts';
import { type ClientClock, Deadline, realClock } from './deadline.ts';
import type { CallOptions } from './http-exchange.ts';
import { type AnyInfer, type Infer, inferCallOf, isRepeatable } from './infer-api.ts';
import type { ModelMetadata } from './model-metadata.ts';
import type { AnyModels, ModelMap, ModelName } from './model-types.ts';
import { unaryCall } from './node-grpc-call.ts';
import { GrpcConnection, type TlsOptions } from './node-grpc-connection.ts';
import {
  decodeFlag,
  decodeInferResponse,
  decodeMetadata,
  encodeInferRequest,
  encodeModelName,
} from './node-grpc-messages.ts';
import { MessageWriter } from './node-protobuf.ts';
import { Retrier, type RetryOptions, retryOptionsOf } from './retry.ts';

export { type ClientErrorCode, HotpathClientError } from './client-error.ts';
export type { CallOptions } from './http-exchange.ts';
export type { Infer, InferOptions, InferResult } from './infer-api.ts';
export type { ModelMetadata, TensorInfo } from './model-metadata.ts';
export type * from './model-types.ts';
export type { TlsOptions } from './node-grpc-connection.ts';
export type { RetryOptions } from './retry.ts';

export interface GrpcClientOptions {
  /** Speaks TLS, with these certificates; `{}` for the usual authorities. @default none: plain text */
  readonly tls?: TlsOptions;
  /** Metadata sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds for a call with its retries. @default none: the model's SLO decides */
  readonly timeoutMs?: number;
  /** How often and how a call is tried again. @default 2 retries */
  readonly retries?: number | Partial<RetryOptions>;
  /** Of requests; worth it for slow links only, as tensors hardly shrink. @default "none" */
  readonly compression?: 'gzip' | 'none';
  /** Largest answer, in bytes. @default 64 MiB */
  readonly maxMessageBytes?: number;
  /**
   * After a call without an answer: milliseconds in which the server has to answer a ping, else the connection is made anew.
   * @default 5000
   */
  readonly pongTimeoutMs?: number;
  /** Uniform in [0, 1), for the jitter of retries. @default Math.random */
  readonly random?: () => number;
  /** Time, for tests. */
  readonly clock?: ClientClock;
}

/** Every call @throws HotpathClientError, whose `status` is the gRPC status. */
export interface GrpcClient<Models extends ModelMap<Models> = AnyModels> {
  readonly infer: Infer<Models>;
  /** Loads the model if it is not loaded. */
  metadata(model: ModelName<Models>, options?: CallOptions & { readonly version?: string }): Promise<ModelMetadata>;
  /** Whether the server, or the model, takes predictions now. False when nobody answers; throws only CANCELLED. */
  ready(model?: ModelName<Models>, options?: CallOptions): Promise<boolean>;
  /** Whether a server answers. Throws only CANCELLED. */
  live(options?: CallOptions): Promise<boolean>;
  /** Refuses new calls and leaves when those under way are done. Idempotent. */
  close(): void;
}

const service = '/inference.GRPCInferenceService';

/** Connects with the first call. `address` is `host:port`. */
export function createGrpcClient<Models extends ModelMap<Models> = AnyModels>(
  address: string,
  options: GrpcClientOptions = {},
): GrpcClient<Models> {
  const { random = Math.random, clock = realClock, compression = 'none', maxMessageBytes = 64 * 1024 * 1024 } = options;
  const connection = new GrpcConnection(address, options.tls, options.pongTimeoutMs ?? 5000);
  const retrier = new Retrier(retryOptionsOf(options.retries), random);
  const once = new Retrier(retryOptionsOf(0), random);

  const call = async (
    method: string,
    message: MessageWriter,
    given: CallOptions,
    tries: Retrier,
    repeatable = true,
  ): Promise<Buffer> => {
    const deadline = new Deadline(clock, given.timeoutMs ?? options.timeoutMs, given.signal);
    const headers = { ...options.headers, ...given.headers };
    const unary = { deadline, headers, compression, maxMessageBytes };
    try {
      const attempt = () => connection.with((session) => unaryCall(session, `${service}/${method}`, message, unary));
      return await tries.run(deadline, attempt, repeatable);
    } finally {
      deadline.finish();
    }
  };

  const ask = async (method: string, message: MessageWriter, given: CallOptions): Promise<boolean> => {
    try {
      return decodeFlag(await call(method, message, given, once));
    } catch (error) {
      if ((error as HotpathClientError).code === 'CANCELLED') throw error;
      return false;
    }
  };

  const infer: AnyInfer = async (model, inputs, given = {}) => {
    const wire = inferCallOf(inputs, given);
    const message = encodeInferRequest(model, given.version, wire);
    return decodeInferResponse(await call('ModelInfer', message, given, retrier, isRepeatable(wire)));
  };

  return {
    infer: infer as unknown as Infer<Models>,
    async metadata(model, given = {}) {
      return decodeMetadata(await call('ModelMetadata', encodeModelName(model, given.version), given, retrier));
    },
    ready(model, given = {}) {
      if (model === undefined) return ask('ServerReady', new MessageWriter(), given);
      return ask('ModelReady', encodeModelName(model, undefined), given);
    },
    live: (given = {}) => ask('ServerLive', new MessageWriter(), given),
    close: () => connection.close(),
  };
}
