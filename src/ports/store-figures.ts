/** What the exporter reads at scrape time of everything beside the models: caches, prediction log, pools, access. Data only. */
import type { PoolStatus, UpstreamPoolStatus } from './pool-status.ts';

export interface StoreFigures {
  /** Undefined where no model has a cache. */
  readonly cache: CacheFigures | undefined;
  /** Undefined while predictions are not logged. */
  readonly predictions: PredictionFigures | undefined;
  /** Undefined while anybody may ask. */
  readonly access: AccessFigures | undefined;
  /** Entities by where their features came from. */
  readonly features: Readonly<Record<string, number>> | undefined;
  /** Background tasks by state; undefined in processes that do not run them. */
  readonly tasks: Readonly<Record<string, number>> | undefined;
  readonly pools: readonly PoolStatus[];
  /** Connections to the upstreams of remote models. */
  readonly upstreams: readonly UpstreamPoolStatus[];
}

export interface CacheFigures {
  /** Of the memory tier. */
  readonly entries: number;
  readonly bytes: number;
  readonly maxBytes: number;
  /** Entries that went for lack of room, since the start. */
  readonly evictions: number;
}

export interface PredictionFigures {
  readonly written: number;
  /** Forgotten because too many waited or the database did not take them. */
  readonly dropped: number;
  readonly failedBatches: number;
  /** Records that wait to be written now. */
  readonly waiting: number;
}

export interface AccessFigures {
  /** Refused credentials by reason, refused rights as `role` and `model`, refused rates as `rate`, `quota` and `concurrency`. */
  readonly refused: Readonly<Record<string, number>>;
}
