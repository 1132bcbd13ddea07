/**
 * Decides what each column of a table is: numbers, categories, or nothing to learn from, each decision with a sentence. Called by the
 * `train` command after read-table.ts. It looks at all cells, so that one word among a million numbers is seen.
 */
import { isDate, isMissingNumber, readNumber } from './cell-kinds.ts';
import type { TextTable } from './read-table.ts';

export interface NumberColumn {
  readonly kind: 'number';
  readonly name: string;
  /** float32; NaN where missing. */
  readonly values: Float32Array<ArrayBuffer>;
  /** The numbers are codes of categories, not amounts. */
  readonly coded: boolean;
}

export interface TextColumn {
  readonly kind: 'text';
  readonly name: string;
  /** '' where missing. */
  readonly values: readonly string[];
}

export type FeatureColumn = NumberColumn | TextColumn;

/** Why a column is left out. */
export interface LeftOut {
  readonly kind: 'left-out';
  readonly name: string;
  readonly reason: string;
}

export interface ReadOptions {
  /** Numbers of these columns are codes. */
  readonly categorical?: ReadonlySet<string>;
  /** Columns asked for by name: only what cannot be learned from is left out. */
  readonly wanted?: ReadonlySet<string>;
}

export interface ReadColumn {
  readonly column: FeatureColumn | LeftOut;
  readonly note?: string;
}

/** Text columns with more different values than this, and in more than half of the cells, are names or free text. */
const manyValues = 10;

export function readColumn(table: TextTable, index: number, options: ReadOptions = {}): ReadColumn {
  const name = table.header[index]!;
  const cells = table.columns[index]!;
  const wanted = options.wanted?.has(name) === true;
  const numbers = readNumbers(cells, table.separator !== ',');
  if (numbers.present === 0) return leaveOut(name, 'it is empty');
  if (numbers.strange.length > 0) return readText(table, index, numbers, wanted);
  const { values } = numbers;
  const coded = options.categorical?.has(name) === true;
  if (isConstant(values)) return leaveOut(name, 'all its values are equal');
  if (!wanted && isRowNumber(name, values)) return leaveOut(name, 'it numbers the rows');
  return { column: { kind: 'number', name, values, coded } };
}

interface Numbers {
  readonly values: Float32Array<ArrayBuffer>;
  /** Cells that hold a value of whatever kind. */
  readonly present: number;
  /** Rows whose cells are no numbers. */
  readonly strange: readonly number[];
}

function readNumbers(cells: readonly string[], decimalComma: boolean): Numbers {
  const values = new Float32Array(cells.length);
  const strange: number[] = [];
  let present = 0;
  for (let row = 0; row < cells.length; row++) {
    const cell = cells[row]!;
    const value = readNumber(cell, decimalComma);
    values[row] = value ?? Number.NaN;
    if (value !== undefined) present++;
    else if (!isMissingNumber(cell)) strange.push(row);
  }
  return { values, present: present + strange.length, strange };
}

function readText(table: TextTable, index: number, numbers: Numbers, wanted: boolean): ReadColumn {
  const name = table.header[index]!;
  const values = table.columns[index]!;
  const filled = values.filter((value) => value !== '');
  const different = new Set(filled).size;
  if (filled.slice(0, 1000).filter(isDate).length > 0.9 * Math.min(filled.length, 1000)) {
    return leaveOut(name, 'it holds dates; add columns such as its weekday or its age in days to learn from it');
  }
  if (different === 1 && filled.length === values.length) return leaveOut(name, 'all its values are equal');
  if (!wanted && different > manyValues && different > filled.length / 2) {
    return leaveOut(name, `${different} of its ${filled.length} values are different, as names or free text are`);
  }
  const column: TextColumn = { kind: 'text', name, values };
  const odd = numbers.strange.length;
  if (odd > 0.1 * numbers.present) return { column };
  const first = numbers.strange[0]!;
  const example = `line ${table.lines[first]} has ${JSON.stringify(values[first]!.slice(0, 40))}`;
  return { column, note: `Column ${name} is taken as text: ${odd} of its cells are no numbers (${example}).` };
}

function isConstant(values: Float32Array): boolean {
  const first = values[0]!;
  return values.every((value) => value === first);
}

/** Whole numbers that go up by one, or a column called id whose values are all different. */
function isRowNumber(name: string, values: Float32Array): boolean {
  if (values.length < 10 || !values.every(Number.isInteger)) return false;
  if (values.every((value, row) => row === 0 || value === values[row - 1]! + 1)) return true;
  return /(^|[_\s-])(id|index|uuid)$/i.test(name) && new Set(values).size === values.length;
}

function leaveOut(name: string, reason: string): ReadColumn {
  return { column: { kind: 'left-out', name, reason } };
}
