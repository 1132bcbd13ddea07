/** Answers as JSON text: one row, many rows, or named outputs. The caller knows which the request asked for. */
import type { InferResponse } from '../../core/types.ts';
import type { Interpretation } from '../../ports/handler.ts';
import { writeList, writeNested, writeTensor } from '../codecs/write-json.ts';
import { modelText, type RowView, rowViewOf, timingText } from './answer-parts.ts';

/** `{"prediction", "probabilities"?, "label"?, "model", "version", "timing"}`. */
export function jsonPrediction(response: InferResponse, meaning: Interpretation): string {
  return `{${rowText(meaning, viewRow(meaning, 1), 0)},${modelText(response.model)},${timingText(response.timing)}}`;
}

/** `{"predictions", "probabilities"?, "labels"?, "count", "model", "version", "timing"}`. */
export function jsonPredictions(response: InferResponse, meaning: Interpretation, rows: number): string {
  const { prediction, probabilities, labels } = meaning;
  const view = viewRow(meaning, rows);
  let text = `{"predictions":${writeNested(prediction, [rows, ...view.prediction.shape], 0, prediction.data.length)}`;
  if (probabilities !== undefined) {
    text += `,"probabilities":${writeNested(probabilities, probabilities.shape, 0, probabilities.data.length)}`;
  }
  if (labels !== undefined) text += `,"labels":${JSON.stringify(labels.map((label) => label ?? null))}`;
  return `${text},"count":${rows},${modelText(response.model)},${timingText(response.timing)}}`;
}

/** `{"outputs": {name: {"datatype", "shape", "data"}}, "model", "version", "timing"}`. */
export function jsonOutputs(response: InferResponse): string {
  let text = '{"outputs":{';
  for (const [index, output] of response.outputs.entries()) {
    text += `${index > 0 ? ',' : ''}${JSON.stringify(output.name)}:${writeTensor(output)}`;
  }
  return `${text}},${modelText(response.model)},${timingText(response.timing)}}`;
}

export interface MeaningView {
  readonly prediction: RowView;
  readonly probabilities: RowView | undefined;
}

export function viewRow({ prediction, probabilities }: Interpretation, rows: number): MeaningView {
  return {
    prediction: rowViewOf(prediction, rows),
    probabilities: probabilities === undefined ? undefined : rowViewOf(probabilities, rows),
  };
}

/** `"prediction":..,"probabilities":..,"label":..` of one row, without braces. */
export function rowText(meaning: Interpretation, view: MeaningView, row: number): string {
  const { shape, count } = view.prediction;
  let text = `"prediction":${writeNested(meaning.prediction, shape, row * count, (row + 1) * count)}`;
  if (meaning.probabilities !== undefined && view.probabilities !== undefined) {
    const { count } = view.probabilities;
    const { datatype, data } = meaning.probabilities;
    // Always a list, also for a model with a single class.
    text += `,"probabilities":${writeList(datatype, data, row * count, (row + 1) * count)}`;
  }
  const label = meaning.labels?.[row];
  return label === undefined ? text : `${text},"label":${JSON.stringify(label)}`;
}
