/**
 * Rows from a table with a header line. Called by load-data.ts. A model with one input takes all columns but the label in the order of the
 * file; a model with several finds each in the column of its name.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import type { CsvTable } from '../../training/csv.ts';
import type { Feeds } from '../pass.ts';
import { bindArrays } from './bind-arrays.ts';
import type { LabelField } from './class-labels.ts';
import type { Rows } from './rows.ts';

/**
 * @param labels column of class numbers, class names or values, and what makes numbers of them
 * @throws INVALID_INPUT naming line and column.
 */
export function readCsvRows(inputs: readonly TensorSpec[], table: CsvTable, labels?: LabelField): Rows {
  const { header, rows } = table;
  if (rows.length === 0) throw invalidInput('data', 'The table has no rows.');
  const labelIndex = labels === undefined ? -1 : columnOf(labels.name, header);
  const [only] = inputs;
  const arrays: Feeds =
    inputs.length === 1
      ? {
          [only!.name]: readColumns(
            only!,
            table,
            header.flatMap((_, index) => (index === labelIndex ? [] : [index])),
          ),
        }
      : Object.fromEntries(
          inputs.map((input) => [input.name, readColumns(input, table, [columnOf(input.name, header)])]),
        );
  return bindArrays(inputs, arrays, labels?.number(readTexts(table, labelIndex)));
}

function columnOf(name: string, header: readonly string[]): number {
  const index = header.indexOf(name);
  if (index < 0) throw noColumn(name, header);
  return index;
}

function readColumns(input: TensorSpec, table: CsvTable, columns: readonly number[]): Tensor {
  const { rows, header } = table;
  const shape = [rows.length, columns.length];
  if (input.datatype === 'string') {
    return { datatype: 'string', shape, data: rows.flatMap((row) => columns.map((column) => row[column]!)) };
  }
  const data = new Float64Array(rows.length * columns.length);
  let at = 0;
  for (const [index, row] of rows.entries()) {
    for (const column of columns) data[at++] = readNumber(row[column]!, index, header[column]!);
  }
  return { datatype: 'float64', shape, data };
}

function readTexts({ rows, header }: CsvTable, column: number): string[] {
  return rows.map((row, index) => {
    if (row[column]!.trim() !== '') return row[column]!;
    throw invalidInput('labels', `CSV row ${index + 1}, column "${header[column]}": there is no label.`);
  });
}

function readNumber(cell: string, index: number, column: string): number {
  const value = cell.trim() === '' ? Number.NaN : Number(cell);
  if (Number.isFinite(value)) return value;
  throw invalidInput(column, `CSV row ${index + 1}, column "${column}": "${cell.slice(0, 40)}" is no number.`);
}

function noColumn(name: string, header: readonly string[]): Error {
  const columns = header.slice(0, 12).join(', ');
  return invalidInput(
    name,
    `The table has no column "${name}". Its columns: ${columns}${header.length > 12 ? ' ..' : ''}.`,
  );
}
