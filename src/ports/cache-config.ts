/** The `cache` part of model.json. Checked by config/cache-field.ts, read by core/cache. Data only. */

export interface CacheConfig {
  /** In the order they are asked. A tier the server has no store for is left out, with a note. @default ['memory'] */
  readonly tiers?: readonly ('memory' | 'redis' | 'database')[];
  /** How long an answer may be given. @default 3600000 */
  readonly ttlMs?: number;
  /** How much longer an answer may be given while it is computed anew, at low priority. @default 0 */
  readonly staleMs?: number;
  /** Every time to live is shortened by up to this share, at random, so that entries do not die together. @default 0.1 */
  readonly jitter?: number;
  /**
   * When tiers beyond memory learn of an answer: `aside` right after it was sent; `through` before it is sent; `behind` in batches,
   * some time later. @default 'aside'
   */
  readonly write?: 'aside' | 'through' | 'behind';
  /** Answers with more bytes are not stored. @default 1048576 */
  readonly maxValueBytes?: number;
  /** Of several servers that miss the same key at once, one computes and the others wait for its answer. Needs redis. @default false */
  readonly shareFlights?: boolean;
  /** Fills the cache when the model is loaded. */
  readonly warm?: CacheWarmConfig;
}

export interface CacheWarmConfig {
  /** File in the model's folder: one JSON body of a predict request per line. */
  readonly file?: string;
  /** The most frequent inputs of the last hours of the prediction log. */
  readonly hours?: number;
  /** Most inputs to compute. @default 1000 of the log, all of a file */
  readonly top?: number;
}
