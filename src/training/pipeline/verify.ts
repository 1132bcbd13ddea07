/**
 * Proof that an exported file answers as the trainer does: the same rows through both. Called by the `train` command before it says done, and
 * by tests. The runtime comes in as a function; this room must not import it.
 */
import type { NamedTensor } from '../../core/tensor.ts';
import type { Random } from '../../ports/clock.ts';
import type { Prediction } from '../matrix.ts';
import type { FeatureColumn } from '../table/columns.ts';
import type { Classes } from './classes.ts';
import type { OutputNames, Pipeline } from './export-pipeline.ts';
import type { PreparePlan } from './prepare.ts';
import { applyPrepare, missingCode } from './prepare.ts';
import { tensorInput } from './prepare-nodes.ts';

/** Runs the exported model; inputs and outputs by name. */
export type RunModel = (inputs: readonly NamedTensor[]) => Promise<readonly NamedTensor[]>;

export interface Agreement {
  readonly rows: number;
  /** Rows whose labels differ; 0 for a regression. */
  readonly differentLabels: number;
  /** Between probabilities; between values, in parts of the greatest value. */
  readonly largestDifference: number;
  readonly agrees: boolean;
}

/** What float32 may differ by. Labels may not differ at all. */
export const tolerance = 1e-6;

/** Rows of one run. Neighbours make a matrix of rows by training rows, which has to fit into memory. */
const rowsPerRun = { knn: 256, others: 4096 };

/** @param rows of `columns` that are compared, from the first */
export async function verifyPipeline(
  pipeline: Pipeline,
  outputs: OutputNames,
  columns: readonly FeatureColumn[],
  rows: number,
  run: RunModel,
): Promise<Agreement> {
  const step = pipeline.model.kind === 'knn' ? rowsPerRun.knn : rowsPerRun.others;
  let [differentLabels, largestDifference] = [0, 0];
  for (let start = 0; start < rows; start += step) {
    const end = Math.min(rows, start + step);
    const part = columns.map((column): FeatureColumn => sliceColumn(column, start, end));
    const found = await compareRows(pipeline, outputs, part, end - start, run);
    differentLabels += found.differentLabels;
    largestDifference = Math.max(largestDifference, found.largestDifference);
  }
  return { rows, differentLabels, largestDifference, agrees: differentLabels === 0 && largestDifference <= tolerance };
}

function sliceColumn(column: FeatureColumn, start: number, end: number): FeatureColumn {
  return column.kind === 'text'
    ? { ...column, values: column.values.slice(start, end) }
    : { ...column, values: column.values.slice(start, end) };
}

async function compareRows(
  pipeline: Pipeline,
  outputs: OutputNames,
  columns: readonly FeatureColumn[],
  rows: number,
  run: RunModel,
): Promise<{ differentLabels: number; largestDifference: number }> {
  const expected = pipeline.model.predict(applyPrepare(pipeline.plan, columns, rows));
  const answers = new Map(
    (await run(toInputs(pipeline.plan, columns, rows))).map((tensor) => [tensor.name, tensor.data]),
  );
  const differentLabels =
    outputs.label === undefined ? 0 : countDifferent(expected, answers.get(outputs.label)!, pipeline);
  const name = outputs.probabilities ?? outputs.value!;
  return { differentLabels, largestDifference: largestGap(expected, answers.get(name) as Float32Array) };
}

/** The rows as the exported model takes them. */
export function toInputs(plan: PreparePlan, columns: readonly FeatureColumn[], rows: number): NamedTensor[] {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const inOrder = plan.columns.map(({ name }) => byName.get(name)!);
  if (plan.inputs === 'tensor') {
    const width = inOrder.length;
    const data = new Float32Array(rows * width);
    for (const [index, column] of inOrder.entries()) {
      for (let row = 0; row < rows; row++) data[row * width + index] = column.values[row] as number;
    }
    return [{ name: tensorInput, datatype: 'float32', shape: [rows, width], data }];
  }
  return inOrder.map((column) =>
    column.kind === 'text'
      ? { name: column.name, datatype: 'string', shape: [rows, 1], data: [...column.values] }
      : { name: column.name, datatype: 'float32', shape: [rows, 1], data: column.values },
  );
}

function countDifferent(expected: Prediction, answered: ArrayLike<unknown>, { classes, labelStyle }: Pipeline): number {
  if (expected.task === 'regression') return 0;
  const wanted = (label: number): string =>
    labelStyle === 'index' || classes === undefined ? String(label) : classValue(classes, label);
  let different = 0;
  for (let row = 0; row < expected.labels.length; row++) {
    if (String(answered[row]) !== wanted(expected.labels[row]!)) different++;
  }
  return different;
}

function classValue({ names, numbers }: Classes, label: number): string {
  return String(numbers === undefined ? names[label] : numbers[label]);
}

function largestGap(expected: Prediction, answered: Float32Array): number {
  const own =
    expected.task === 'classification'
      ? expected.probabilities
      : expected.task === 'regression'
        ? expected.values
        : expected.distances;
  let [gap, size] = [0, 1];
  for (let i = 0; i < own.length; i++) {
    // Not a number on one side only is no small difference.
    if (Number.isNaN(own[i]!) !== Number.isNaN(answered[i]!)) return Number.POSITIVE_INFINITY;
    gap = Math.max(gap, Math.abs(own[i]! - answered[i]!) || 0);
    if (expected.task !== 'classification') size = Math.max(size, Math.abs(own[i]!) || 0);
  }
  return gap / size;
}

/** Rows nobody has seen: numbers a little beyond their range, unknown categories, and missing values where the model takes them. */
export function randomColumns(
  plan: PreparePlan,
  columns: readonly FeatureColumn[],
  rows: number,
  random: Random,
): FeatureColumn[] {
  return columns.map((column): FeatureColumn => {
    const part = plan.columns.find(({ name }) => name === column.name);
    if (column.kind === 'text') {
      const choice = [...new Set(column.values), 'never seen', ...(plan.imputed ? [''] : [])];
      return { ...column, values: Array.from({ length: rows }, () => choice[Math.floor(random() * choice.length)]!) };
    }
    const draw = part?.kind === 'code' ? drawCode(part.categories, random) : drawAmount(column.values, random);
    const values = Float32Array.from({ length: rows }, () => (plan.imputed && random() < 0.05 ? Number.NaN : draw()));
    return { ...column, values };
  });
}

function drawCode(categories: readonly number[], random: Random): () => number {
  const choice = [...categories.filter((value) => value !== missingCode), 12345.5];
  return () => choice[Math.floor(random() * choice.length)]!;
}

/** Every fourth number is one of the table, where cuts and ties are. */
function drawAmount(values: Float32Array, random: Random): () => number {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const margin = 0.1 * (high - low);
  return () => {
    const known = random() < 0.25 ? values[Math.floor(random() * values.length)]! : Number.NaN;
    return Number.isNaN(known) ? low - margin + random() * (high - low + 2 * margin) : known;
  };
}
