/**
 * All outputs of a model for the rows of a dataset, chunk by chunk. Called by verify.ts, once for the original, whose answers are kept,
 * and once per variant.
 */
import type { Tensor } from '../../core/tensor.ts';
import { tensorBytes } from '../../core/tensor.ts';
import type { Rows } from '../data/rows.ts';
import type { Feeds, OpenModel } from '../pass.ts';

export interface RowsChunk {
  readonly start: number;
  readonly count: number;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

const mostRows = 32;
const mostFeedBytes = 2 ** 24;

/** Rows of one run: as many as 16 MiB of input hold, at most 32. */
export function rowsPerRun(rows: Rows): number {
  if (!rows.joinable) return 1;
  const bytes = Object.values(rows.slice(0, 1)).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  return Math.max(1, Math.min(mostRows, rows.rows, Math.floor(mostFeedBytes / Math.max(1, bytes))));
}

export interface RunRowsOptions {
  readonly fetches?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Ends after so many rows. @default all */
  readonly mostRows?: number | undefined;
}

/** @throws what the model throws; the reason of `signal` */
export async function* runRows(model: OpenModel, rows: Rows, options: RunRowsOptions = {}): AsyncGenerator<RowsChunk> {
  const end = Math.min(rows.rows, options.mostRows ?? rows.rows);
  const perRun = rowsPerRun(rows);
  for (let start = 0; start < end; start += perRun) {
    options.signal?.throwIfAborted();
    const count = Math.min(perRun, end - start);
    const feeds: Feeds = rows.slice(start, count);
    yield { start, count, outputs: await model.run(feeds, options.fetches) };
  }
}
