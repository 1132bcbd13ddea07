/**
 * Finds for every input of a model the array of a data file that feeds it, by name or by being the only one, and brings it into the
 * input's shape and datatype. Called by load-data.ts.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import { elementCount, fitsPattern, formatShape } from '../../core/tensor.ts';
import type { Feeds } from '../pass.ts';
import { convertTensor, refuseNonFinite } from './convert.ts';
import type { Labels, Rows } from './rows.ts';
import { ColumnRows, SingleRows, sliceTensor } from './rows.ts';

/** How an array feeds an input: its axis 0 are rows, each of its parts is a whole input, or it is the same for all rows. */
type Way = 'rows' | 'stack' | 'constant';

interface Bound {
  readonly name: string;
  readonly tensor: Tensor;
  readonly way: Way;
}

/** @throws INVALID_INPUT: an input without array, an array that does not fit, unequal numbers of rows, no rows, NaN. */
export function bindArrays(inputs: readonly TensorSpec[], arrays: Feeds, labels?: Labels): Rows {
  const bound = inputs.map((input) => bind(input, pick(input, inputs, arrays)));
  const counted = bound.filter(({ way }) => way !== 'constant');
  const rows = counted[0]?.tensor.shape[0] ?? 1;
  if (rows === 0) throw invalidInput('data', 'The data has no rows.');
  for (const { name, tensor } of counted) {
    if (tensor.shape[0] === rows) continue;
    throw invalidInput(name, `"${name}" has ${tensor.shape[0]} rows and "${counted[0]!.name}" has ${rows}.`);
  }
  if (labels !== undefined && labels.length !== rows) {
    throw invalidInput('labels', `There are ${labels.length} labels for ${rows} rows.`);
  }
  const constants = feedsOf(bound.filter(({ way }) => way === 'constant'));
  if (counted.every(({ way }) => way === 'rows') && counted.length > 0) {
    return new ColumnRows(feedsOf(counted), { constants, labels });
  }
  const singles = Array.from({ length: rows }, (_, row) => ({
    ...Object.fromEntries(counted.map((part) => [part.name, oneRow(part, row)])),
    ...constants,
  }));
  return new SingleRows(singles, labels);
}

function feedsOf(bound: readonly Bound[]): Feeds {
  return Object.fromEntries(bound.map(({ name, tensor }) => [name, tensor]));
}

function oneRow({ tensor, way }: Bound, row: number): Tensor {
  const slice = sliceTensor(tensor, row, 1);
  return way === 'stack' ? { ...slice, shape: slice.shape.slice(1) } : slice;
}

function pick(input: TensorSpec, inputs: readonly TensorSpec[], arrays: Feeds): Tensor {
  const array = Object.hasOwn(arrays, input.name) ? arrays[input.name] : undefined;
  if (array !== undefined) return array;
  const names = Object.keys(arrays);
  if (inputs.length === 1 && names.length === 1) return arrays[names[0]!]!;
  const found = names.length === 0 ? 'no arrays' : names.map((name) => `"${name}"`).join(', ');
  throw invalidInput(input.name, `The model's input "${input.name}" has no array of its name; the data has ${found}.`);
}

function bind({ name, datatype, shape }: TensorSpec, array: Tensor): Bound {
  const fitted = fit(shape, array);
  if (fitted === undefined) {
    const rowShape = formatShape(shape).replace(/^\[[^,\]]+/, '[rows');
    throw invalidInput(
      name,
      `The data for input "${name}" has the shape ${formatShape(array.shape)}; expected ${rowShape}.`,
      rowShape,
      formatShape(array.shape),
    );
  }
  const tensor = convertTensor(name, { ...array, shape: fitted.shape }, datatype);
  refuseNonFinite(name, tensor);
  return { name, tensor, way: fitted.way };
}

/** Axis 0 of an input counts as the rows where it is variable or 1. */
function fit(pattern: readonly number[], { shape, data }: Tensor): { shape: readonly number[]; way: Way } | undefined {
  const [batch, ...rest] = pattern;
  if (batch === undefined) return shape.length === 0 ? { shape, way: 'constant' } : rowsOfScalars(shape);
  const isBatch = batch === -1 || batch === 1;
  if (isBatch && shape.length > 0 && fitsPattern(shape.slice(1), rest)) return { shape, way: 'rows' };
  if (fitsPattern(shape.slice(1), pattern)) return { shape, way: 'stack' };
  if (fitsPattern(shape, pattern)) return { shape, way: 'constant' };
  // `[rows, 784]` for `[rows, 1, 28, 28]`: as many numbers, in the same order.
  const [rows = 0] = shape;
  const known = isBatch && rest.every((dim) => dim >= 0) && rows > 0 && elementCount(rest) === data.length / rows;
  return known ? { shape: [rows, ...rest], way: 'rows' } : undefined;
}

function rowsOfScalars(shape: readonly number[]): { shape: readonly number[]; way: Way } | undefined {
  return shape.length === 1 ? { shape, way: 'stack' } : undefined;
}
