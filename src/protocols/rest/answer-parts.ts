/** Pieces of answers that several formats share: rows of a tensor, and text that is the same for every answer of a model. */
import type { NamedTensor } from '../../core/tensor.ts';
import type { InferTiming, ModelView } from '../../core/types.ts';
import { millisText } from './duration-text.ts';

export interface RowView {
  /** Shape of one row's value; `[]` when it is a single element. */
  readonly shape: readonly number[];
  readonly count: number;
}

const oneElement: RowView = { shape: [], count: 1 };

/** How one of `rows` rows of the tensor looks; a tensor whose first axis is not the rows is one value as a whole. */
export function rowViewOf(tensor: NamedTensor, rows: number): RowView {
  const { shape, data } = tensor;
  const perRow = shape.length > 0 && shape[0] === rows && rows > 0;
  const count = perRow ? data.length / rows : data.length;
  if (count === 1) return oneElement;
  return { shape: perRow ? shape.slice(1) : shape, count };
}

const tails = new WeakMap<ModelView, string>();

/** `"model":"iris","version":"1"`, made once per loaded model. */
export function modelText(model: ModelView): string {
  let tail = tails.get(model);
  if (tail === undefined) {
    tail = `"model":${JSON.stringify(model.name)},"version":${JSON.stringify(model.version)}`;
    tails.set(model, tail);
  }
  return tail;
}

/** `"timing":{...}` in milliseconds. */
export function timingText(timing: InferTiming): string {
  const { decodeMs, queueMs, batchMs, inferMs, batchRows, release } = timing;
  return `"timing":{"decodeMs":${millisText(decodeMs)},"queueMs":${millisText(queueMs)},"batchMs":${millisText(batchMs)},"inferMs":${millisText(inferMs)},"batchRows":${batchRows},"release":"${release}"}`;
}
