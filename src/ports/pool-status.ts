/** What GET /debug/pool shows of the connections to upstream servers. Made by engines/remote, shown by protocols. Data only. */

export interface UpstreamPoolStatus {
  readonly model: string;
  readonly version: string;
  readonly balance: string;
  /** Calls that wait because every address that may be used has as many as it may. */
  readonly waiting: number;
  readonly addresses: readonly UpstreamAddressStatus[];
}

export interface UpstreamAddressStatus {
  readonly address: string;
  /** Connections: open, with a call on them, without one. */
  readonly size: number;
  readonly inUse: number;
  readonly idle: number;
  /** Calls that wait for a connection or a stream of this address. */
  readonly waiting: number;
  /** Calls sent and not answered. */
  readonly inFlight: number;
  readonly maxInFlight: number;
  /** Calls since the model was loaded, and how many of them failed for a reason that is the address's. */
  readonly calls: number;
  readonly errors: number;
  /** The last such reason. */
  readonly lastError: string | undefined;
  /** By the last health check; true before the first. */
  readonly healthy: boolean;
  readonly breaker: 'closed' | 'open' | 'half-open';
  /** Milliseconds until the ejection ends; undefined when it is not ejected. */
  readonly ejectedForMs: number | undefined;
}
