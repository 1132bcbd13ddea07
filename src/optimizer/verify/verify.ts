/**
 * A variant against its original on rows that neither was calibrated on: the same classes, the same numbers? Called by plan/; decides
 * nothing, gate.ts does. The original runs once, its answers are kept in memory.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import { tensorBytes } from '../../core/tensor.ts';
import type { BoxHead } from '../../vision/box-head.ts';
import { findBoxHead } from '../../vision/box-head.ts';
import { pictureSizeOf } from '../../vision/image-input.ts';
import type { Rows } from '../data/rows.ts';
import type { OpenModel } from '../pass.ts';
import type { BoxDifference } from './box-meter.ts';
import { BoxMeter, boxesOf } from './box-meter.ts';
import type { LabelDifference } from './label-meter.ts';
import { LabelMeter, labelOutput } from './label-meter.ts';
import type { OutputDifference } from './output-meter.ts';
import { OutputMeter } from './output-meter.ts';
import type { RowsChunk } from './run-rows.ts';
import { runRows } from './run-rows.ts';

export const tasks = ['classification', 'detection', 'regression'] as const;

/** `regression` is everything that is judged by its numbers alone. */
export type Task = (typeof tasks)[number];

export interface Reference {
  readonly task: Task;
  readonly rows: number;
  readonly labels: ArrayLike<number> | undefined;
  readonly outputs: readonly TensorSpec[];
  /** The output that says the class, for a classification. */
  readonly label: TensorSpec | undefined;
  /** By class number; for models that name their classes, and labels that are numbers. */
  readonly classNames: readonly string[] | undefined;
  /** How boxes are written, for a detection. */
  readonly head: BoxHead | undefined;
  readonly chunks: readonly RowsChunk[];
  readonly data: Rows;
  readonly notes: readonly string[];
}

export interface VariantDifference {
  readonly rows: number;
  readonly outputs: readonly OutputDifference[];
  /** Undefined for models that name no class. */
  readonly labels: LabelDifference | undefined;
  /** Undefined for models that find no boxes. */
  readonly boxes: BoxDifference | undefined;
}

const mostReferenceBytes = 2 ** 29;

export interface ReferenceOptions {
  /** What the model is for. @default found from its outputs, and whether it finds boxes in this data */
  readonly task?: Task | undefined;
  readonly classNames?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs the original on all rows, or on as many as half a GiB of answers holds.
 * @throws INVALID_INPUT when the model's outputs are not of the task
 */
export async function makeReference(
  original: OpenModel,
  data: Rows,
  { task: asked, classNames, signal }: ReferenceOptions = {},
): Promise<Reference> {
  const { chunks, rows, notes } = await collect(original, data, signal);
  const { task, label, head, note } = whatFor(original, data, chunks, asked);
  return {
    task,
    rows,
    labels: data.labels,
    outputs: original.outputs,
    label,
    classNames,
    head,
    chunks,
    data,
    notes: note === undefined ? notes : [...notes, note],
  };
}

async function collect(original: OpenModel, data: Rows, signal: AbortSignal | undefined) {
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
  return { chunks, rows, notes };
}

interface Purpose {
  readonly task: Task;
  readonly label?: TensorSpec | undefined;
  readonly head?: BoxHead | undefined;
  readonly note?: string | undefined;
}

/** Boxes before classes: a detector's scores look like those of a classifier. */
function whatFor(
  { inputs, outputs }: OpenModel,
  data: Rows,
  chunks: readonly RowsChunk[],
  asked: Task | undefined,
): Purpose {
  if (asked === undefined || asked === 'detection') {
    const head = boxHeadOf(inputs, outputs, data);
    if (head === undefined && asked !== undefined) {
      throw invalidInput('task', 'The outputs of the model look like the boxes of no detector that is known.');
    }
    const finds =
      head && chunks.some(({ outputs, count }) => boxesOf(head, outputs, count).some(({ length }) => length > 0));
    if (finds === true) return { task: 'detection', head };
    if (head !== undefined) {
      return {
        task: 'regression',
        note: 'The model finds nothing in the rows held out: it is judged by its numbers, not by boxes.',
      };
    }
  }
  const label = asked === 'regression' ? undefined : labelOutput(outputs);
  if (label !== undefined) return { task: 'classification', label };
  if (asked === 'classification')
    throw invalidInput('task', 'No output of the model looks like classes or their scores.');
  return { task: 'regression' };
}

function boxHeadOf(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[], data: Rows): BoxHead | undefined {
  const [input, ...more] = inputs;
  if (input === undefined || more.length > 0) return undefined;
  const size = pictureSizeOf(data.slice(0, 1)[input.name]!.shape);
  return size && findBoxHead(outputs, size);
}

/** @throws INVALID_INPUT when the variant lacks an output; what the variant throws when it runs */
export async function compareVariant(
  reference: Reference,
  variant: OpenModel,
  signal?: AbortSignal,
): Promise<VariantDifference> {
  const compared = reference.outputs.filter(({ datatype }) => datatype !== 'string');
  const meters = compared.map(({ name }) => new OutputMeter(name));
  const { label, head, classNames } = reference;
  const labels = label && new LabelMeter(label.name);
  const boxes = head && new BoxMeter(head);
  let index = 0;
  for await (const { start, count, outputs } of runRows(variant, reference.data, {
    signal,
    mostRows: reference.rows,
  })) {
    const original = reference.chunks[index++]!.outputs;
    for (const [place, { name }] of compared.entries()) {
      meters[place]!.add(original[name]!, outputOf(outputs, name));
    }
    boxes?.add(original, outputs, count);
    if (label === undefined) continue;
    const answer = outputOf(outputs, label.name);
    labels!.add(original[label.name]!, answer, namesOf(reference, start, count, label.datatype, classNames));
  }
  return {
    rows: reference.rows,
    outputs: meters.map((meter) => meter.result()),
    labels: labels?.result(),
    boxes: boxes?.result(),
  };
}

/** The right classes as the model would say them: by name where it says names. */
function namesOf(
  { labels }: Reference,
  start: number,
  count: number,
  datatype: TensorSpec['datatype'],
  classNames: readonly string[] | undefined,
): string[] | undefined {
  if (labels === undefined) return undefined;
  return Array.from({ length: count }, (_, row) => {
    const label = labels[start + row]!;
    return datatype === 'string' ? (classNames?.[label] ?? String(label)) : String(label);
  });
}

function outputOf(outputs: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = outputs[name];
  if (tensor === undefined) throw invalidInput(name, `The variant has lost the output "${name}".`);
  return tensor;
}
