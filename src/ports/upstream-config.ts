/**
 * The `upstream` part of model.json: where the servers of a remote model are and how calls are spread over them. Checked by
 * config/upstream-fields.ts, read by engines/remote. Data only; defaults are in engines/remote/upstream-settings.ts.
 */

export type BalanceKind = 'round-robin' | 'least-in-flight' | 'weighted' | 'random-of-two';

export interface UpstreamConfig {
  /** `grpc://host:port`, `grpcs://`, `http://` or `https://`; one protocol may be mixed with the other. */
  readonly addresses: readonly string[];
  /** @default the name of the model here */
  readonly model?: string;
  /** @default the upstream's choice */
  readonly version?: string;
  /** @default 'least-in-flight' */
  readonly balance?: BalanceKind;
  /** One per address, for `weighted`. @default 1 each */
  readonly weights?: readonly number[];
  /** Longest time of one call. @default the model's runTimeoutMs */
  readonly timeoutMs?: number;
  /** Time between two health checks of an address; 0: none. @default 5000 */
  readonly healthIntervalMs?: number;
  /** Calls at a time per address. @default 4 for a batched model, 64 otherwise */
  readonly maxInFlightPerAddress?: number;
  /** @default 1 to 4 over gRPC, 0 to maxInFlightPerAddress over REST */
  readonly connectionsPerAddress?: { readonly min?: number; readonly max?: number };
  readonly retry?: RetryConfig;
  readonly breaker?: BreakerConfig;
  readonly ejection?: EjectionConfig;
}

export interface RetryConfig {
  /** Further attempts of one call; 0: none. @default 1 */
  readonly attempts?: number;
  /** Also when the connection was lost after the request was sent. @default true */
  readonly afterConnectionLost?: boolean;
}

export interface BreakerConfig {
  /** Failures in a row that open it. @default 5 */
  readonly failures?: number;
  /** Time it stays open before one call may try. @default 2000 */
  readonly openMs?: number;
}

export interface EjectionConfig {
  /** Failures in a row that eject an address; 0: never. @default 3 */
  readonly failures?: number;
  /** First ejection; each further one without a recovery in between is as much longer. @default 2000 */
  readonly baseMs?: number;
  /** @default 60000 */
  readonly maxMs?: number;
  /** Most of the addresses that may be ejected at a time. @default 50 */
  readonly maxPercent?: number;
}
