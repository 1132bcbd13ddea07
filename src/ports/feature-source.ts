/**
 * Where the features of an entity come from: an HTTP service, Redis or SQL. Outside the process, so slow or gone at any time;
 * core/features bounds, caches and coalesces the calls. Also the `features` part of model.json.
 */

/** A value as JSON has it; what it must be for the model is checked when it is joined with the request's own features. */
export type FeatureValue = number | string | boolean | null | readonly FeatureValue[];
/** By input name of the model. */
export type FeatureRow = Readonly<Record<string, FeatureValue>>;

export interface FeatureSource {
  /** By entity, in order; undefined: the source has no such entity. Rejects when it cannot answer in time. */
  fetchMany(entities: readonly string[]): Promise<readonly (FeatureRow | undefined)[]>;
  /** Most entities of one call. @default 100 */
  readonly maxBatch?: number;
  /** True: everything is text, as in a Redis hash, and becomes what the model's input takes. @default false */
  readonly text?: boolean;
  close(): Promise<void>;
}

export interface FeaturesConfig {
  /** `http://host`, `https://host`; `redis` or `sql` for the server's own, or a `redis://`, `postgres://` or `sqlite:` URL. */
  readonly source: string;
  /**
   * Where one entity lies in it, with `{entity}` for its escaped name: an HTTP path, a Redis key (a hash, or a string of JSON), or a
   * SELECT whose `{entity}` is bound as a parameter and whose columns are the features.
   */
  readonly key: string;
  /** The same for many at once, with `{entities}`: an HTTP path that answers an object by entity. Redis needs none. */
  readonly batchKey?: string;
  /** @default 60000 */
  readonly ttlMs?: number;
  /** How long an entity stays unknown. @default 5000 */
  readonly negativeTtlMs?: number;
  /** Longest wait for the source. @default 500 */
  readonly timeoutMs?: number;
  /** @default ['memory'] */
  readonly tiers?: readonly ('memory' | 'redis' | 'database')[];
}
