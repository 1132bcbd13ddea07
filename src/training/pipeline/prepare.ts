/**
 * From columns of a table to the matrix that models see: missing numbers filled in, amounts scaled, categories one-hot. Called by the `train`
 * command; prepare-nodes.ts writes the same as ONNX. Every number here is float32, as there, so both give the same matrix bit by bit.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Matrix } from '../matrix.ts';
import type { FeatureColumn, NumberColumn, TextColumn } from '../table/columns.ts';
import { fillValue, scaleOf } from './statistics.ts';

export interface NumberPlan {
  readonly kind: 'number';
  readonly name: string;
  /** Stands for a missing value; undefined: missing stays NaN. */
  readonly fill: number | undefined;
  /** The model sees (x - offset) * factor. */
  readonly offset: number;
  readonly factor: number;
}

export interface CategoryPlan<Value extends string | number> {
  readonly kind: Value extends string ? 'text' : 'code';
  readonly name: string;
  /** Each becomes one column of zeros and ones. A value that is not here is a row of zeros. */
  readonly categories: readonly Value[];
  /** Index of the category that stands for a missing value, or -1 for a row of zeros. */
  readonly missing: number;
}

export type ColumnPlan = NumberPlan | CategoryPlan<string> | CategoryPlan<number>;

export interface PreparePlan {
  /** `tensor`: one input `features` [batch, columns], where all columns are amounts; else an input [batch, 1] per column, by its name. */
  readonly inputs: 'tensor' | 'columns';
  readonly columns: readonly ColumnPlan[];
  readonly scaled: boolean;
  /** Whether missing values may be sent. */
  readonly imputed: boolean;
}

export interface PrepareOptions {
  /** @default 'median' */
  readonly impute?: Impute;
  /** @default 'none' */
  readonly scale?: Scale;
  /** Categories per column; the most frequent ones stay. @default 64 */
  readonly maxCategories?: number;
}

export const imputes = ['median', 'mean', 'most-frequent'] as const;
export type Impute = (typeof imputes)[number];
export const scales = ['none', 'standard', 'minmax'] as const;
export type Scale = (typeof scales)[number];

/**
 * Learns what to fill in, to scale by and which categories there are, from the rows `rows` only.
 * @throws INVALID_INPUT when there are no columns
 */
export function fitPrepare(
  columns: readonly FeatureColumn[],
  rows: Int32Array,
  options: PrepareOptions = {},
): PreparePlan {
  if (columns.length === 0) throw invalidInput('features', 'There is no column to learn from.');
  const { impute = 'median', scale = 'none', maxCategories = 64 } = options;
  const imputed = columns.some((column) =>
    column.kind === 'number' ? column.values.some(Number.isNaN) : column.values.includes(''),
  );
  const plans = columns.map((column): ColumnPlan => {
    if (column.kind === 'text') return planText(column, rows, impute, maxCategories);
    if (column.coded) return planCode(column, rows, impute, maxCategories);
    const present = Float32Array.from(rows, (row) => column.values[row]!).filter((value) => !Number.isNaN(value));
    const fill = imputed ? fillValue(present, impute) : undefined;
    return { kind: 'number', name: column.name, fill, ...scaleOf(present, scale) };
  });
  const inputs = plans.every(({ kind }) => kind === 'number') ? 'tensor' : 'columns';
  return { inputs, columns: plans, scaled: scale !== 'none', imputed };
}

function planText(column: TextColumn, rows: Int32Array, impute: Impute, most: number): CategoryPlan<string> {
  const values = Array.from(rows, (row) => column.values[row]!);
  const filled = impute === 'most-frequent' ? values.filter((value) => value !== '') : values;
  const categories = frequentValues(filled, most);
  const missing = impute === 'most-frequent' ? 0 : categories.indexOf('');
  return { kind: 'text', name: column.name, categories, missing };
}

/** A missing code is NaN, which equals nothing, not even itself; this number stands for it. */
export const missingCode = -3.4028234663852886e38;

function planCode(column: NumberColumn, rows: Int32Array, impute: Impute, most: number): CategoryPlan<number> {
  const values = Array.from(rows, (row) => column.values[row]!);
  const filled =
    impute === 'most-frequent'
      ? values.filter((value) => !Number.isNaN(value))
      : values.map((value) => (Number.isNaN(value) ? missingCode : value));
  const categories = frequentValues(filled, most);
  const missing = impute === 'most-frequent' ? 0 : categories.indexOf(missingCode);
  return { kind: 'code', name: column.name, categories, missing };
}

/** Most frequent first; among equals the one that sorts first. */
function frequentValues<Value extends string | number>(values: readonly Value[], most: number): Value[] {
  const counts = new Map<Value, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return sorted.slice(0, most).map(([value]) => value);
}

/** A column of the matrix: the table's column it comes from, and its name for people. */
export interface MatrixColumn {
  readonly source: string;
  readonly label: string;
}

/** Amounts first, in the order of the table, then the categories. */
export function matrixColumns({ columns }: PreparePlan): readonly MatrixColumn[] {
  const numbers = columns.filter((plan) => plan.kind === 'number');
  const categories = columns.filter((plan) => plan.kind !== 'number');
  return [
    ...numbers.map(({ name }) => ({ source: name, label: name })),
    ...categories.flatMap(({ name, categories: values }) =>
      (values as readonly (string | number)[]).map((value) => ({ source: name, label: `${name}=${showValue(value)}` })),
    ),
  ];
}

function showValue(value: string | number): string {
  return value === '' || value === missingCode ? '(missing)' : String(value);
}

/**
 * The matrix of all rows of the columns, which may be other rows than those the plan was made from.
 * @param columns the plan's columns, in any order
 */
export function applyPrepare(plan: PreparePlan, columns: readonly FeatureColumn[], rows: number): Matrix {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const width = matrixColumns(plan).length;
  const values = new Float32Array(rows * width);
  let at = 0;
  for (const part of plan.columns) {
    if (part.kind === 'number') writeNumbers(part, byName.get(part.name) as NumberColumn, values, at++, width);
  }
  for (const part of plan.columns) {
    if (part.kind === 'number') continue;
    writeCategories(part, byName.get(part.name)!, values, at, width);
    at += part.categories.length;
  }
  return { values, rows, columns: width };
}

function writeNumbers(plan: NumberPlan, column: NumberColumn, to: Float32Array, at: number, width: number): void {
  for (let row = 0; row < column.values.length; row++) {
    const value = column.values[row]!;
    const filled = Number.isNaN(value) && plan.fill !== undefined ? plan.fill : value;
    to[row * width + at] = Math.fround(filled - plan.offset) * plan.factor;
  }
}

function writeCategories(
  plan: CategoryPlan<string> | CategoryPlan<number>,
  column: FeatureColumn,
  to: Float32Array,
  at: number,
  width: number,
): void {
  const indices = new Map<string | number, number>(plan.categories.map((value, index) => [value, index]));
  for (let row = 0; row < column.values.length; row++) {
    const value = column.values[row]!;
    const isMissing = value === '' || Number.isNaN(value);
    const index = isMissing ? plan.missing : (indices.get(value) ?? -1);
    if (index >= 0) to[row * width + at + index] = 1;
  }
}
