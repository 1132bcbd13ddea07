/** Logged predictions as JSON: tensors in the form of the native API's `outputs`, times in ISO 8601. Used by prediction-routes.ts. */
import { decodeNamedTensors } from '../../core/predictions/named-tensors.ts';
import type { PredictionPage } from '../../core/predictions/prediction-reader.ts';
import type { PredictionRecord, PredictionSummary } from '../../ports/prediction-store.ts';
import { writeTensor } from '../codecs/write-json.ts';

/** One in a list. */
export interface PredictionItem {
  readonly id: string;
  /** When its answer was ready, in UTC. */
  readonly created: string;
  readonly model: string;
  readonly version: string;
  readonly status: string;
  readonly caller: string | null;
  readonly rows: number;
  readonly durationMs: number;
  readonly cache: string | null;
}

export interface PredictionList {
  readonly predictions: readonly PredictionItem[];
  /** The value of `before` for the next page. */
  readonly next: string | null;
}

/** The item's fields, then `"inputs"` and `"outputs"`: objects by name, or null where they were not kept. */
export function predictionJson(record: PredictionRecord): string {
  const item = JSON.stringify(itemOf(record)).slice(0, -1);
  return `${item},"inputs":${tensorsJson(record.inputs)},"outputs":${tensorsJson(record.outputs)}}`;
}

export function predictionListJson({ predictions, next }: PredictionPage): string {
  const list: PredictionList = { predictions: predictions.map(itemOf), next: next ?? null };
  return JSON.stringify(list);
}

function itemOf(summary: PredictionSummary): PredictionItem {
  const { id, createdMs, model, version, status, caller, rows, durationMs, cache } = summary;
  const created = new Date(createdMs).toISOString();
  return {
    id,
    created,
    model,
    version,
    status,
    caller: caller === '' ? null : caller,
    rows,
    durationMs,
    cache: cache === '' ? null : cache,
  };
}

function tensorsJson(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return 'null';
  const tensors = decodeNamedTensors(bytes);
  // Ours to write and ours to read: anything else is a bug or a damaged database.
  if (tensors === undefined) throw new Error('The tensors of a stored prediction cannot be read.');
  return `{${tensors.map((tensor) => `${JSON.stringify(tensor.name)}:${writeTensor(tensor)}`).join(',')}}`;
}
