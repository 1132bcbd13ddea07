/**
 * A variant against its original on rows that neither was calibrated on: the same classes, the same numbers? Called by plan/; decides
 * nothing, gate.ts does. The original runs once, its answers are kept in memory.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import { tensorBytes } from '../../core/tensor.ts';
import type { Rows } from '../data/rows.ts';
import type { OpenModel } from '../pass.ts';
import type { LabelDifference } from './label-meter.ts';
import { LabelMeter, labelOutput } from './label-meter.ts';
import type { OutputDifference } from './output-meter.ts';
import { OutputMeter } from './output-meter.ts';
import type { RowsChunk } from './run-rows.ts';
import { runRows } from './run-rows.ts';

export type Task = 'classification' | 'regression';

export interface Reference {
  readonly task: Task;
  readonly rows: number;
  readonly labels: ArrayLike<number> | undefined;
  readonly outputs: readonly TensorSpec[];
  readonly label: TensorSpec | undefined;
  readonly chunks: readonly RowsChunk[];
  readonly data: Rows;
  readonly notes: readonly string[];
}

export interface VariantDifference {
  readonly rows: number;
  readonly outputs: readonly OutputDifference[];
  /** Undefined for models that name no class. */
  readonly labels: LabelDifference | undefined;
}

const mostReferenceBytes = 2 ** 29;

/**
 * Runs the original on all rows, or on as many as half a GiB of answers holds.
 * @param task what the model is for; undefined: classification where an output looks like it
 */
export async function makeReference(
  original: OpenModel,
  data: Rows,
  { task, signal }: { readonly task?: Task | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<Reference> {
  const chunks: RowsChunk[] = [];
  const notes: string[] = [];
  let bytes = 0;
  let rows = 0;
  for await (const chunk of runRows(original, data, { signal })) {
    chunks.push(chunk);
    rows += chunk.count;
    bytes += Object.values(chunk.outputs).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
    if (bytes > mostReferenceBytes && rows < data.rows) {
      notes.push(`Verified on ${rows} of ${data.rows} rows: the model's answers are large.`);
      break;
    }
  }
  const label = task === 'regression' ? undefined : labelOutput(original.outputs);
  if (task === 'classification' && label === undefined) {
    throw invalidInput('task', 'No output of the model looks like classes or their scores.');
  }
  const { labels } = data;
  return {
    task: label === undefined ? 'regression' : 'classification',
    rows,
    labels,
    outputs: original.outputs,
    label,
    chunks,
    data,
    notes,
  };
}

/** @throws INVALID_INPUT when the variant lacks an output; what the variant throws when it runs */
export async function compareVariant(
  reference: Reference,
  variant: OpenModel,
  signal?: AbortSignal,
): Promise<VariantDifference> {
  const compared = reference.outputs.filter(({ datatype }) => datatype !== 'string');
  const meters = compared.map(({ name }) => new OutputMeter(name));
  const labels = reference.label && new LabelMeter(reference.label.name);
  let index = 0;
  for await (const { start, count, outputs } of runRows(variant, reference.data, {
    signal,
    mostRows: reference.rows,
  })) {
    const original = reference.chunks[index++]!.outputs;
    for (const [place, { name }] of compared.entries()) {
      meters[place]!.add(original[name]!, outputOf(outputs, name));
    }
    if (labels === undefined) continue;
    const { name } = reference.label!;
    const known = reference.labels && Array.from({ length: count }, (_, row) => reference.labels![start + row]!);
    labels.add(original[name]!, outputOf(outputs, name), known);
  }
  return { rows: reference.rows, outputs: meters.map((meter) => meter.result()), labels: labels?.result() };
}

function outputOf(outputs: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = outputs[name];
  if (tensor === undefined) throw invalidInput(name, `The variant has lost the output "${name}".`);
  return tensor;
}
