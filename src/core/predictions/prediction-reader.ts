/**
 * Predictions read back: those in the writer's buffer by id, all others from the store. Used by the protocols' query routes. Never
 * shows a prediction of a model that the asker may not see; to them it does not exist.
 */
import type {
  PredictionFilter,
  PredictionRecord,
  PredictionStore,
  PredictionSummary,
} from '../../ports/prediction-store.ts';
import { toRecord } from './pending-prediction.ts';
import type { PredictionWriter } from './prediction-writer.ts';

export type Visible = (model: string) => boolean;

export interface PredictionPage {
  /** Newest first. */
  readonly predictions: readonly PredictionSummary[];
  /** Goes into `before` for the next page; undefined on the last. */
  readonly next: string | undefined;
}

/** Reads of the store for one page: who may see little of what is there gets short pages instead of long waits. */
const maxReads = 8;
const none = new Uint8Array(0);

export class PredictionReader {
  readonly #store: Pick<PredictionStore, 'find' | 'list'>;
  readonly #writer: Pick<PredictionWriter, 'find'> | undefined;

  /** Without a writer nothing is logged at present, but what was logged before can be read. */
  constructor(store: Pick<PredictionStore, 'find' | 'list'>, writer?: Pick<PredictionWriter, 'find'>) {
    this.#store = store;
    this.#writer = writer;
  }

  /** `id`: in lower case. @throws what the store throws. */
  async find(id: string, visible: Visible): Promise<PredictionRecord | undefined> {
    const pending = this.#writer?.find(id);
    const record = pending === undefined ? await this.#store.find(id) : toRecord(pending, () => none);
    return record !== undefined && visible(record.model) ? record : undefined;
  }

  /** Only what is stored. @throws what the store throws. */
  async list(filter: PredictionFilter, limit: number, visible: Visible): Promise<PredictionPage> {
    const predictions: PredictionSummary[] = [];
    let { before } = filter;
    if (filter.model !== undefined && !visible(filter.model)) return { predictions, next: undefined };
    for (let reads = 0; reads < maxReads; reads++) {
      // One more than asked for tells whether there is a next page.
      const found = await this.#store.list({ ...filter, before }, limit + 1);
      for (const summary of found) {
        if (predictions.length === limit) return { predictions, next: before };
        before = summary.id;
        if (visible(summary.model)) predictions.push(summary);
      }
      if (found.length <= limit) return { predictions, next: undefined };
    }
    return { predictions, next: before };
  }
}
