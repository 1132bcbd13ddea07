/** What the pool asks of an address, whatever the protocol. Implementations: grpc-transport.ts, rest-transport.ts. Types only. */
import type { Signature, Tensor } from '../../core/tensor.ts';
import type { CancelToken } from '../../core/types.ts';

export interface InferJob {
  /** Names on the upstream; version '' leaves the choice to it. */
  readonly model: string;
  readonly version: string;
  readonly signature: Signature;
  /** In the signature's order. */
  readonly inputs: readonly Tensor[];
  /** Names, in the order the answer is wanted. */
  readonly outputs: readonly string[];
}

export interface CallLimits {
  /** After this the call is given up. */
  readonly timeoutMs: number;
  /**
   * The upstream is told that the client waits only so long. Otherwise the limit is ours alone: an upstream with an SLO of its own
   * would take it as a deadline and let its queue grow to it.
   */
  readonly announced?: boolean;
  /** The transport sets its `onCancel` while the call runs. */
  readonly cancel?: CancelToken | undefined;
}

export interface UpstreamMetadata {
  readonly signature: Signature;
  /** 0: the upstream batches nothing; undefined: it does not say. */
  readonly maxBatchSize: number | undefined;
}

export interface ConnectionCounts {
  readonly size: number;
  readonly inUse: number;
  readonly idle: number;
  /** Calls that wait for a free connection. */
  readonly waiting: number;
}

/** Every call throws UpstreamFailure and nothing else. */
export interface Transport {
  infer(job: InferJob, limits: CallLimits): Promise<readonly Tensor[]>;
  /** False when the server says that it is not ready. */
  serverReady(timeoutMs: number): Promise<boolean>;
  metadata(model: string, version: string, timeoutMs: number): Promise<UpstreamMetadata>;
  connections(): ConnectionCounts;
  /** Ends all connections; calls on them fail as lost, later ones get new connections. */
  reset(): void;
  /** Ends everything for good. */
  close(): void;
}
