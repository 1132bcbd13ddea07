/** What the gRPC server needs from outside; the composition root fills it. Types only. */
import type { InFlightLimiter } from '../../core/admission/in-flight.ts';
import type { InferCall, InferResponse } from '../../core/types.ts';
import type { AccessGuard } from '../../ports/access.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { OipDeps } from '../oip/oip-deps.ts';

export interface GrpcConfig {
  readonly host: string;
  /** 0 picks a free one. */
  readonly grpcPort: number;
  /** PEM files; both empty: no TLS (h2c with prior knowledge). */
  readonly tlsCert: string;
  readonly tlsKey: string;
  /** PEM file of the authorities that client certificates must come from; empty: no client certificate is asked for. */
  readonly tlsClientCa: string;
  /** Largest message in either direction of compression. @default 64 MiB */
  readonly grpcMaxMessageBytes: number;
  /** Memory for large messages while they arrive, over all calls. @default 1 GiB */
  readonly grpcMaxReceiveBytes: number;
  /** Largest decoded:encoded ratio of a compressed message beyond 1 MiB decoded. */
  readonly maxDecompressionRatio: number;
  /** Answers at least this large are compressed when the request was; 0: never. */
  readonly compressMinBytes: number;
  readonly maxInputs: number;
  readonly maxDims: number;
  readonly maxInFlight: number;
  readonly maxInFlightPerClient: number;
  readonly maxConnections: number;
  /** Streams at once per connection. @default 4096 */
  readonly grpcMaxStreams: number;
  /** Requests of one ModelStreamInfer stream at once; beyond it the client is held back. @default 64 */
  readonly grpcMaxStreamRequests: number;
  /** Age at which a connection is asked to go elsewhere, give or take 10 %; 0: never. */
  readonly grpcMaxConnectionAgeMs: number;
  /** Time its streams have to finish after that, and after `close()`. */
  readonly grpcMaxConnectionAgeGraceMs: number;
  /** Silence after which the client is asked for a sign of life; 0: never. */
  readonly grpcKeepaliveTimeMs: number;
  /** Time it has to give one. */
  readonly grpcKeepaliveTimeoutMs: number;
  /** Time a connection has for TLS and its HTTP/2 preface. */
  readonly headersTimeoutMs: number;
  /** Time a client has to send a message of a unary call, and to take an answer; 0: no limit. */
  readonly requestTimeoutMs: number;
  readonly slowRequestMs: number;
}

/** What REST and gRPC have in common is described once, in oip/oip-deps.ts. */
type SharedDeps = Pick<
  OipDeps,
  | 'catalog'
  | 'warm'
  | 'writtenConfig'
  | 'version'
  | 'extensions'
  | 'logger'
  | 'telemetry'
  | 'health'
  | 'statistics'
  | 'control'
  | 'loadOverride'
  | 'logLevel'
  | 'setLogLevel'
  | 'audit'
>;

export interface GrpcDeps extends SharedDeps {
  readonly config: GrpcConfig;
  readonly clock: Clock;
  /** For the jitter of connection ages. */
  readonly random: Random;
  /** Must call `decode` at most once and settle for every call. */
  readonly infer: (call: InferCall) => Promise<InferResponse>;
  /** Absent: anybody may ask. */
  readonly access?: AccessGuard | undefined;
  /** Shared with other protocols of the process; one of its own when not given. */
  readonly inFlight?: InFlightLimiter;
  /** Called once per finished prediction request; the recycler counts. */
  readonly onAnswered?: () => void;
}
