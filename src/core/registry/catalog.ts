/** What protocols may ask of the registry, and the status they get. The registry implements it; protocols only see this. */
import type { Signature } from '../tensor.ts';
import type { ModelState } from '../types.ts';

export interface ModelStatus {
  readonly name: string;
  /** '' for a model that has none; it is `failed` and `reason` says why. */
  readonly version: string;
  readonly state: ModelState;
  /** Why it failed, or why it is not ready. */
  readonly reason?: string | undefined;
  /** Labels that point to this version. */
  readonly labels: readonly string[];
  /** SHA-256 of the file and its external data, once read. */
  readonly digest?: string | undefined;
  /** Everything below is present once the version is ready. */
  readonly loaded?: LoadedStatus | undefined;
}

export interface LoadedStatus {
  readonly signature: Signature;
  readonly executionProvider: string;
  readonly instances: number;
  readonly availableInstances: number;
  readonly busyInstances: number;
  readonly intraOpThreads: number;
  readonly memoryBytes: number;
  readonly pinned: boolean;
  readonly loadMs: number;
  readonly batching: {
    readonly enabled: boolean;
    /** Why not, when not enabled. */
    readonly reason?: string | undefined;
    readonly maxBatchSize: number;
    readonly maxDelayMs: number | undefined;
  };
  readonly sloMs: number;
  /** True when one lone row is predicted to miss the SLO. */
  readonly sloInfeasible: boolean;
  /** duration = perRowMs * rows + fixedMs, learned; relativeError as a fraction. */
  readonly cost: { readonly perRowMs: number; readonly fixedMs: number; readonly relativeError: number };
  /** Predicted milliseconds for 1, 2, 4 .. maxBatchSize rows. */
  readonly batchCurve: readonly { readonly rows: number; readonly ms: number }[];
  /** Rows per second all instances can answer at the largest batch. */
  readonly capacityRowsPerSecond: number;
  readonly queue: { readonly rows: number; readonly requests: number; readonly bytes: number };
  readonly inFlightRequests: number;
  readonly notes: readonly string[];
}

export interface ModelCatalog {
  /** Every version the policy serves, of every model or of one, loaded or not. @throws MODEL_NOT_FOUND for the one. */
  list(model?: string): Promise<readonly ModelStatus[]>;
  /** Synchronous view of what is loaded now, for metrics and health. */
  snapshot(): readonly ModelStatus[];
  /** @throws MODEL_NOT_FOUND. Never loads. */
  describe(model: string, versionOrLabel?: string): Promise<ModelStatus>;
  /** Loads and returns the status. @throws MODEL_NOT_FOUND, MODEL_FAILED. */
  load(model: string, versionOrLabel?: string): Promise<ModelStatus>;
  /**
   * Finishes what is in flight, then frees it. The model loads again on the next request unless `hold`: then only an explicit
   * load brings it back. @throws MODEL_NOT_FOUND.
   */
  unload(model: string, versionOrLabel?: string, hold?: boolean): Promise<void>;
  /** Re-reads folder and config, loads the new state, swaps atomically, drains the old. @throws MODEL_NOT_FOUND, MODEL_FAILED (the old keeps serving). */
  reload(model: string): Promise<readonly ModelStatus[]>;
}
