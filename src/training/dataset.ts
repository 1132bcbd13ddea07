/**
 * Rows to learn from, as flat arrays. Features are float32 from here on, the precision the served model sees: training on
 * wider numbers could put a row on the other side of a threshold than serving does.
 */
import { HotpathError } from '../core/errors.ts';
import type { Random } from '../ports/clock.ts';
import type { CsvTable } from './csv.ts';
import { shuffle } from './shuffle.ts';

export interface Dataset {
  /** Row-major, [rows, featureCount]. */
  readonly features: Float32Array<ArrayBuffer>;
  /** Class index of each row. */
  readonly labels: Int32Array<ArrayBuffer>;
  readonly featureCount: number;
  readonly classCount: number;
}

export interface NamedDataset extends Dataset {
  readonly featureNames: readonly string[];
  /** In order of first appearance. */
  readonly classNames: readonly string[];
}

/**
 * The column `labelColumn` becomes the class, all others features.
 * @throws INVALID_INPUT when the column is missing or a feature is no finite number.
 */
export function tableToDataset(table: CsvTable, labelColumn: string): NamedDataset {
  const labelIndex = table.header.indexOf(labelColumn);
  if (labelIndex < 0) throw new HotpathError('INVALID_INPUT', `The table has no column ${labelColumn}.`);
  const featureNames = table.header.filter((_, index) => index !== labelIndex);
  const features = new Float32Array(table.rows.length * featureNames.length);
  const labels = new Int32Array(table.rows.length);
  const classes = new Map<string, number>();
  let next = 0;
  for (const [rowIndex, row] of table.rows.entries()) {
    for (const [index, cell] of row.entries()) {
      if (index !== labelIndex) features[next++] = parseNumber(cell, table.header[index]!, rowIndex);
    }
    const className = row[labelIndex]!;
    if (!classes.has(className)) classes.set(className, classes.size);
    labels[rowIndex] = classes.get(className)!;
  }
  const classNames = [...classes.keys()];
  return { features, labels, featureCount: featureNames.length, classCount: classes.size, featureNames, classNames };
}

/** Holds out `fraction` of each class (rounded down), at random, and returns the two parts. */
export function splitByClass(
  dataset: Dataset,
  fraction: number,
  random: Random,
): { readonly train: Dataset; readonly heldOut: Dataset } {
  const train: number[] = [];
  const heldOut: number[] = [];
  for (let label = 0; label < dataset.classCount; label++) {
    const rows = Int32Array.from(dataset.labels.keys()).filter((row) => dataset.labels[row] === label);
    shuffle(rows, random);
    const heldOutCount = Math.floor(rows.length * fraction);
    heldOut.push(...rows.subarray(0, heldOutCount));
    train.push(...rows.subarray(heldOutCount));
  }
  return { train: takeRows(dataset, train), heldOut: takeRows(dataset, heldOut) };
}

function takeRows(dataset: Dataset, rows: readonly number[]): Dataset {
  const { featureCount, classCount } = dataset;
  const features = new Float32Array(rows.length * featureCount);
  for (const [index, row] of rows.entries()) {
    features.set(dataset.features.subarray(row * featureCount, (row + 1) * featureCount), index * featureCount);
  }
  return { features, labels: Int32Array.from(rows, (row) => dataset.labels[row]!), featureCount, classCount };
}

function parseNumber(cell: string, column: string, rowIndex: number): number {
  const value = Number(cell);
  if (cell.trim() !== '' && Number.isFinite(Math.fround(value))) return value;
  throw new HotpathError('INVALID_INPUT', `Column ${column} of data row ${rowIndex + 1} is no finite number.`);
}
