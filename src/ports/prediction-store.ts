/**
 * Where predictions are remembered: embedded SQLite, or PostgreSQL. Never called from the hot path itself: core/predictions
 * buffers, and writes in batches. One contract suite runs on every adapter.
 */

export interface PredictionRecord {
  /** UUID version 7, so that ids sort by time. */
  readonly id: string;
  /** Unix time in milliseconds at which the answer was ready; the same as in the id. */
  readonly createdMs: number;
  readonly model: string;
  readonly version: string;
  /** `OK` or the error's code. */
  readonly status: string;
  /** Of the caller; '' when anonymous. */
  readonly caller: string;
  readonly rows: number;
  readonly durationMs: number;
  /** '' when the model has no cache. */
  readonly cache: string;
  /** 16 bytes that are equal for equal inputs; empty when the inputs were not read or are too large to be kept. */
  readonly inputKey: Uint8Array;
  /** With their names, as core/predictions/named-tensors.ts writes them; undefined when too large or not wanted. */
  readonly inputs: Uint8Array | undefined;
  /** Those that were asked for, in the same form; undefined also when there was no answer. */
  readonly outputs: Uint8Array | undefined;
}

/** All that is in a list: no tensors. */
export type PredictionSummary = Omit<PredictionRecord, 'inputKey' | 'inputs' | 'outputs'>;

export interface PredictionFilter {
  readonly model?: string | undefined;
  readonly version?: string | undefined;
  /** `OK`, `failed` for everything else, or one error code. */
  readonly status?: string | undefined;
  /** Unix milliseconds; inclusive and exclusive. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Keyset pagination: only predictions older than this id. */
  readonly before?: string | undefined;
}

export interface FrequentInput {
  /** As in PredictionRecord. */
  readonly inputs: Uint8Array;
  readonly count: number;
}

export interface StoreStatus {
  readonly engine: 'sqlite' | 'postgres';
  /** Names of migrations, oldest first. */
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  /** Estimated where counting is slow. */
  readonly predictions: number;
  readonly sizeBytes: number;
  readonly oldestMs: number | undefined;
}

export interface PredictionStore {
  /** Resolves when all records are durable. An id that is there already is left as it is. */
  insertMany(records: readonly PredictionRecord[]): Promise<void>;
  find(id: string): Promise<PredictionRecord | undefined>;
  /** Newest first, at most `limit`. */
  list(filter: PredictionFilter, limit: number): Promise<readonly PredictionSummary[]>;
  /** Successful ones with kept inputs since `fromMs`, most frequent first. */
  frequentInputs(model: string, version: string, fromMs: number, limit: number): Promise<readonly FrequentInput[]>;
  /** Drops what is older. Returns how many predictions, estimated where whole partitions go. */
  prune(beforeMs: number): Promise<number>;
  status(): Promise<StoreStatus>;
}
