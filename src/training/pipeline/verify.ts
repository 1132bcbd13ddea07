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
  /** Rows whose labels differ, ties not counted; 0 for a regression. */
  readonly differentLabels: number;
  /** Rows where two classes are equal but for the model's rounding, and the runtime chose the other one. */
  readonly ties: number;
  /** Between probabilities; between values, in parts of the greatest value. */
  readonly largestDifference: number;
  readonly agrees: boolean;
}

/** What float32 may differ by, beside what the model itself says of its rounding. Labels may not differ at all, but for ties of such a model. */
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
  let found = nothingCompared;
  for (let start = 0; start < rows; start += step) {
    const end = Math.min(rows, start + step);
    const part = columns.map((column): FeatureColumn => sliceColumn(column, start, end));
    found = addAgreements(found, await compareRows(pipeline, outputs, part, end - start, run));
  }
  return found;
}

const nothingCompared: Agreement = { rows: 0, differentLabels: 0, ties: 0, largestDifference: 0, agrees: true };

/** Of the rows of both. */
export function addAgreements(a: Agreement, b: Agreement): Agreement {
  return {
    rows: a.rows + b.rows,
    differentLabels: a.differentLabels + b.differentLabels,
    ties: a.ties + b.ties,
    largestDifference: Math.max(a.largestDifference, b.largestDifference),
    agrees: a.agrees && b.agrees,
  };
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
): Promise<Agreement> {
  const matrix = applyPrepare(pipeline.plan, columns, rows);
  const expected = pipeline.model.predict(matrix);
  const rounding = pipeline.model.rounding?.(matrix) ?? new Float64Array(rows);
  const answers = new Map(
    (await run(toInputs(pipeline.plan, columns, rows))).map((tensor) => [tensor.name, tensor.data]),
  );
  const labels = outputs.label === undefined ? undefined : answers.get(outputs.label)!;
  const { different, ties } =
    labels === undefined ? { different: 0, ties: 0 } : compareLabels(expected, labels, pipeline, rounding);
  const name = outputs.probabilities ?? outputs.value!;
  const { largest, excess } = compareNumbers(expected, answers.get(name) as Float32Array, rounding);
  const agrees = different === 0 && excess <= tolerance;
  return { rows, differentLabels: different, ties, largestDifference: largest, agrees };
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

function compareLabels(
  expected: Prediction,
  answered: ArrayLike<unknown>,
  { classes, labelStyle }: Pipeline,
  rounding: Float64Array,
): { different: number; ties: number } {
  let [different, ties] = [0, 0];
  if (expected.task === 'regression') return { different, ties };
  const wanted = (label: number): string =>
    labelStyle === 'index' || classes === undefined ? String(label) : classValue(classes, label);
  const names = Array.from({ length: classes?.names.length ?? 0 }, (_, label) => wanted(label));
  for (let row = 0; row < expected.labels.length; row++) {
    const answer = String(answered[row]);
    if (answer === wanted(expected.labels[row]!)) continue;
    if (isTie(expected, row, names.indexOf(answer), rounding[row]!)) ties++;
    else different++;
  }
  return { different, ties };
}

/** Both probabilities may be off by `rounding`, so that classes closer than twice of it may change places. */
function isTie(expected: Prediction, row: number, other: number, rounding: number): boolean {
  if (expected.task !== 'classification' || rounding === 0 || other < 0) return false;
  const start = (row * expected.probabilities.length) / expected.labels.length;
  const own = expected.probabilities[start + expected.labels[row]!]!;
  return own - expected.probabilities[start + other]! <= 2 * (rounding + tolerance);
}

function classValue({ names, numbers }: Classes, label: number): string {
  return String(numbers === undefined ? names[label] : numbers[label]);
}

/** Both in parts of the greatest value, where there are no probabilities. `excess`: what rounding does not explain. */
function compareNumbers(
  expected: Prediction,
  answered: Float32Array,
  rounding: Float64Array,
): { largest: number; excess: number } {
  const own =
    expected.task === 'classification'
      ? expected.probabilities
      : expected.task === 'regression'
        ? expected.values
        : expected.distances;
  const width = own.length / rounding.length;
  let [largest, excess, size] = [0, 0, 1];
  for (let i = 0; i < own.length; i++) {
    // Not a number on one side only is no small difference.
    if (Number.isNaN(own[i]!) !== Number.isNaN(answered[i]!)) {
      return { largest: Number.POSITIVE_INFINITY, excess: Number.POSITIVE_INFINITY };
    }
    const gap = Math.abs(own[i]! - answered[i]!) || 0;
    largest = Math.max(largest, gap);
    excess = Math.max(excess, gap - rounding[Math.floor(i / width)]! || 0);
    if (expected.task !== 'classification') size = Math.max(size, Math.abs(own[i]!) || 0);
  }
  return { largest: largest / size, excess: excess / size };
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
