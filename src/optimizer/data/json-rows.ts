/**
 * Rows from lines of JSON, each a body of the predict route: `{"features": ...}` is one row, `{"inputs": {...}}` whole tensors as nested
 * lists or `{"shape", "data"}`. Called by load-data.ts. What the file says about model, outputs and options is passed over.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import { allocate, elementCount, fitsPattern, formatShape } from '../../core/tensor.ts';
import type { Feeds } from '../pass.ts';
import type { LabelField } from './class-labels.ts';
import { convertTensor, refuseNonFinite } from './convert.ts';
import type { Labels, Rows } from './rows.ts';
import { ColumnRows, fitTogether, joinTensors, SingleRows } from './rows.ts';

/**
 * @param labels the field of each line that holds its label, a number or the name of a class, and what makes numbers of them
 * @throws INVALID_INPUT naming the line.
 */
export function readJsonRows(inputs: readonly TensorSpec[], text: string, labels?: LabelField): Rows {
  const feeds: Feeds[] = [];
  const texts: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const where = `Line ${index + 1}`;
    const body = parseLine(where, line);
    feeds.push(feedsOf(where, inputs, body));
    if (labels !== undefined) texts.push(labelOf(where, body[labels.name], labels.name));
  }
  if (feeds.length === 0) throw invalidInput('data', 'The data has no rows.');
  return assemble(inputs, feeds, labels?.number(texts));
}

function parseLine(where: string, line: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(line);
  } catch {
    throw invalidInput('data', `${where} is no JSON. Expected one body of a predict request per line.`);
  }
  if (isObject(body)) return body;
  throw invalidInput('data', `${where} is no JSON object.`);
}

function labelOf(where: string, value: unknown, field: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  throw invalidInput('labels', `${where} has no number and no text in its field "${field}".`);
}

function feedsOf(where: string, inputs: readonly TensorSpec[], body: Record<string, unknown>): Feeds {
  const { inputs: tensors, features } = body;
  const isRow = tensors === undefined;
  if (isRow && features === undefined) throw invalidInput('data', `${where} has neither "features" nor "inputs".`);
  const byName =
    isRow && inputs.length === 1 && !isObject(features) ? { [inputs[0]!.name]: features } : (tensors ?? features);
  if (!isObject(byName)) throw invalidInput('data', `${where}: expected an object by input name.`);
  return Object.fromEntries(inputs.map((input) => [input.name, readInput(where, input, byName[input.name], isRow)]));
}

function readInput(where: string, input: TensorSpec, value: unknown, isRow: boolean): Tensor {
  const { name, shape } = input;
  if (value === undefined) throw invalidInput(name, `${where} has no value for input "${name}".`);
  const read = isObject(value) ? readShaped(where, input, value) : readNested(where, input, value);
  const scalarRow = isRow && read.shape.length === 0 && shape.length === 2;
  const rowShape = isRow && shape.length > 0 ? [1, ...(scalarRow ? [1] : read.shape)] : read.shape;
  if (!fitsPattern(rowShape, shape)) {
    const expected = isRow ? shape.slice(1) : shape;
    throw invalidInput(
      name,
      `${where}: "${name}" has the shape ${formatShape(read.shape)}, expected ${formatShape(expected)}.`,
    );
  }
  return { ...read, shape: rowShape };
}

function readShaped(where: string, { name, datatype }: TensorSpec, { shape, data }: Record<string, unknown>): Tensor {
  const fits =
    Array.isArray(shape) && Array.isArray(data) && elementCount(shape as number[]) === data.length && data.length > 0;
  if (!fits) throw invalidInput(name, `${where}: "${name}" must have a shape and as many elements of data.`);
  return fromLeaves(where, name, datatype, shape as number[], data);
}

function readNested(where: string, { name, datatype }: TensorSpec, value: unknown): Tensor {
  const shape: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  const leaves = shape.length === 0 ? [value] : (value as unknown[]).flat(shape.length - 1);
  if (elementCount(shape) !== leaves.length || leaves.length === 0 || !isRegular(value, shape)) {
    throw invalidInput(name, `${where}: the lists of "${name}" are empty or of unequal lengths.`);
  }
  return fromLeaves(where, name, datatype, shape, leaves);
}

function isRegular(value: unknown, shape: readonly number[]): boolean {
  const [length, ...rest] = shape;
  if (length === undefined) return !Array.isArray(value);
  return Array.isArray(value) && value.length === length && value.every((part) => isRegular(part, rest));
}

function fromLeaves(
  where: string,
  name: string,
  datatype: Tensor['datatype'],
  shape: readonly number[],
  leaves: readonly unknown[],
): Tensor {
  if (datatype === 'string') {
    const wrong = leaves.findIndex((leaf) => typeof leaf !== 'string');
    if (wrong >= 0) throw invalidInput(name, `${where}: "${name}" takes strings.`);
    return { datatype, shape, data: leaves as string[] };
  }
  if (!leaves.every((leaf) => typeof leaf === 'number' || typeof leaf === 'boolean')) {
    throw invalidInput(name, `${where}: "${name}" takes numbers.`);
  }
  const numbers = allocate('float64', leaves.length) as Float64Array<ArrayBuffer>;
  for (const [index, leaf] of leaves.entries()) numbers[index] = Number(leaf);
  const tensor = convertTensor(name, { datatype: 'float64', shape, data: numbers }, datatype);
  refuseNonFinite(name, tensor);
  return tensor;
}

/** As columns where lines can stand under each other along a batch axis; else one by one. */
function assemble(inputs: readonly TensorSpec[], feeds: readonly Feeds[], labels: Labels): Rows {
  const partsOf = (name: string) => feeds.map((feed) => feed[name]!);
  const joins = inputs.every(({ name, shape }) => {
    const parts = partsOf(name);
    // A line with several rows would need several labels.
    const oneEach = parts.every((part) => part.shape[0] === 1) || (labels === undefined && inputs.length === 1);
    return (shape[0] === -1 || shape[0] === 1) && fitTogether(parts) && oneEach;
  });
  if (!joins) return new SingleRows(feeds, labels);
  const columns = inputs.map(({ name }) => [name, joinTensors(partsOf(name))]);
  return new ColumnRows(Object.fromEntries(columns), { labels });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
