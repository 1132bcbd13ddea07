/** The column to predict: numbers to estimate or classes to tell apart. Called by train-table.ts. Rows without a target are left out. */
import { HotpathError } from '../../core/errors.ts';
import type { Target } from '../matrix.ts';
import type { Classes } from '../pipeline/classes.ts';
import { classesOf } from '../pipeline/classes.ts';
import { isMissingNumber, readNumber } from './cell-kinds.ts';
import type { TextTable } from './read-table.ts';

export interface ReadTarget {
  /** Of every row of the table; meaningless where a row is not in `rows`. */
  readonly target: Target;
  readonly classes: Classes | undefined;
  /** Rows that have a target. */
  readonly rows: Int32Array<ArrayBuffer>;
  readonly notes: readonly string[];
}

/** Whole numbers with no more different values than this are taken for classes. */
const fewValues = 20;
const mostClasses = 1000;

/**
 * @param task undefined: text and few whole numbers are classes, other numbers are amounts
 * @throws INVALID_INPUT for a column that cannot be predicted, with the reason
 */
export function readTarget(table: TextTable, index: number, task?: Target['task']): ReadTarget {
  const name = table.header[index]!;
  const cells = table.columns[index]!.map((cell) => cell.trim());
  const decimalComma = table.separator !== ',';
  const numbers = cells.map((cell) => readNumber(cell, decimalComma));
  const odd = cells.findIndex((cell, row) => numbers[row] === undefined && !isMissingNumber(cell));
  const isNumeric = odd < 0;
  const isMissing = (cell: string) => (isNumeric ? isMissingNumber(cell) : cell === '');
  const rows = Int32Array.from(cells.keys()).filter((row) => !isMissing(cells[row]!));
  if (rows.length === 0) throw wrong(`Column ${name} is empty: there is nothing to predict.`);
  const left = cells.length - rows.length;
  const notes = left === 0 ? [] : [`${left} ${left === 1 ? 'row has' : 'rows have'} no ${name} and are left out.`];
  const chosen = task ?? (isNumeric && !looksLikeClasses(numbers, rows) ? 'regression' : 'classification');
  if (chosen === 'classification') return { ...toClasses(name, cells, rows), rows, notes };
  if (!isNumeric) {
    throw wrong(
      `Column ${name} is no column of numbers (line ${table.lines[odd]} has ${JSON.stringify(cells[odd]!.slice(0, 40))}); use --task classification.`,
    );
  }
  const values = Float64Array.from(numbers, (value) => value ?? 0);
  if (rows.every((row) => values[row] === values[rows[0]!])) throw wrong(`All values of ${name} are equal.`);
  return { target: { task: 'regression', values }, classes: undefined, rows, notes };
}

function looksLikeClasses(numbers: readonly (number | undefined)[], rows: Int32Array): boolean {
  const different = new Set<number>();
  for (const row of rows) {
    const value = numbers[row]!;
    if (!Number.isInteger(value)) return false;
    different.add(value);
    if (different.size > fewValues) return false;
  }
  return different.size <= Math.max(2, rows.length / 5);
}

function toClasses(name: string, cells: readonly string[], rows: Int32Array): { target: Target; classes: Classes } {
  const classes = classesOf(Array.from(rows, (row) => cells[row]!));
  const { names } = classes;
  if (names.length === 1) {
    throw wrong(`Column ${name} has one class only (${names[0]!.slice(0, 40)}): there is nothing to tell apart.`);
  }
  if (names.length > mostClasses || names.length > rows.length / 2) {
    throw wrong(`Column ${name} has ${names.length} different values in ${rows.length} rows, too many for classes.`);
  }
  const indices = new Map(names.map((value, index) => [value, index]));
  const labels = Int32Array.from(cells, (cell) => indices.get(cell) ?? 0);
  return { target: { task: 'classification', labels, classCount: names.length }, classes };
}

function wrong(message: string): HotpathError {
  return new HotpathError('INVALID_INPUT', message);
}
