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

/** Any other pool of connections: database, Redis, HTTP. Made by the adapter that owns it. */
export interface PoolStatus {
  readonly kind: 'postgres' | 'sqlite' | 'redis' | 'http';
  /** What it is for and where it leads, without credentials: `database 10.0.0.5:5432/hotpath`. */
  readonly name: string;
  /** Connections: open, with work on them, without. */
  readonly size: number;
  readonly maxSize: number;
  readonly inUse: number;
  readonly idle: number;
  /** Callers that wait for a connection now. */
  readonly waiting: number;
  /** Since the start: how often one was taken, the time callers waited, how many gave up, connections closed for their age or a failure. */
  readonly acquired: number;
  readonly waitedMs: number;
  readonly timeouts: number;
  readonly recycled: number;
  readonly errors: number;
  readonly lastError: string | undefined;
  readonly breaker: 'closed' | 'open' | 'half-open' | undefined;
}

/** What makes connections is watched and closed in one way. */
export interface Pool {
  status(): PoolStatus;
  /** Finishes what was begun, then closes. Idempotent. */
  close(): Promise<void>;
}
