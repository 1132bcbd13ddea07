/**
 * What the outputs of classifiers and regressors mean. An integer or string output with one value per row is the label, a
 * float output `[rows, classes]` beside it holds the probabilities; a model without a label output predicts its first output.
 * Called by the protocols through ports/handler.ts; never changes a tensor.
 */
import type { Datatype, NamedTensor } from '../core/tensor.ts';
import type { ModelView } from '../core/types.ts';
import type { Interpretation } from '../ports/handler.ts';

/** @see Interpret in ports/handler.ts. `outputs` holds at least one tensor. */
export function interpretTabular(model: ModelView, outputs: readonly NamedTensor[], rows: number): Interpretation {
  let label: NamedTensor | undefined;
  let probabilities: NamedTensor | undefined;
  for (const output of outputs) {
    if (label === undefined && isLabelType(output.datatype) && isColumn(output, rows)) label = output;
    else if (probabilities === undefined && isProbabilities(output, rows)) probabilities = output;
  }
  if (label === undefined) probabilities = undefined;
  const prediction = label ?? outputs[0]!;
  const labels = model.labels === undefined ? undefined : nameRows(model.labels, prediction, rows);
  return { prediction, probabilities, labels };
}

function isLabelType(datatype: Datatype): boolean {
  return datatype === 'int64' || datatype === 'string' || datatype === 'int32';
}

function isFloat(datatype: Datatype): boolean {
  return datatype === 'float32' || datatype === 'float64';
}

function isColumn({ shape }: NamedTensor, rows: number): boolean {
  return shape[0] === rows && (shape.length === 1 || (shape.length === 2 && shape[1] === 1));
}

function isProbabilities({ datatype, shape }: NamedTensor, rows: number): boolean {
  return isFloat(datatype) && shape.length === 2 && shape[0] === rows;
}

function nameRows(
  names: readonly string[],
  prediction: NamedTensor,
  rows: number,
): readonly (string | undefined)[] | undefined {
  const { datatype, data, shape } = prediction;
  if (datatype === 'string' || shape[0] !== rows) return undefined;
  const width = rows === 0 ? 0 : data.length / rows;
  const scores = isFloat(datatype) && width === names.length && width > 1;
  if (!scores && (width !== 1 || isFloat(datatype))) return undefined;
  const labels: (string | undefined)[] = [];
  for (let row = 0; row < rows; row++) {
    const index = scores ? highest(data as Float32Array, row * width, width) : Number(data[row]);
    labels.push(Object.hasOwn(names, index) ? names[index] : undefined);
  }
  return labels;
}

/** Index of the greatest score within the row; the first one of equals. */
function highest(scores: Float32Array, start: number, width: number): number {
  let best = 0;
  for (let i = 1; i < width; i++) if (scores[start + i]! > scores[start + best]!) best = i;
  return best;
}
