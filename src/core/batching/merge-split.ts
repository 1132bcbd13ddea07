/**
 * Rows of several requests into one batch, and the batch's outputs back into rows. Pure functions over typed arrays;
 * the batcher calls them once per batch. Never looks at what the numbers mean.
 */
import { allocate, type Tensor, type TensorData, type TypedArray } from '../tensor.ts';
import type { BufferPool } from './buffer-pool.ts';

/** Some rows of one request's inputs. */
export interface RowRange {
  readonly inputs: readonly Tensor[];
  readonly start: number;
  readonly rows: number;
}

/** Below this many elements a plain loop beats the set-up cost of subarray and set. */
const smallCopy = 48;

/**
 * One tensor per input with the rows of all ranges below each other: `[sum of rows, ...inner]`. Always copies, so that a
 * request still has its inputs when the worker dies with the batch. Inner shapes must be equal (same bucket).
 */
export function mergeRows(ranges: readonly RowRange[], rows: number, pool: BufferPool): Tensor[] {
  const first = ranges[0]!.inputs;
  const merged = new Array<Tensor>(first.length);
  for (let input = 0; input < first.length; input++) {
    const { datatype, shape } = first[input]!;
    const rowElements = innerElements(shape);
    const data = pool.take(datatype, rows * rowElements);
    let offset = 0;
    for (const range of ranges) {
      const count = range.rows * rowElements;
      copyElements(range.inputs[input]!.data, range.start * rowElements, data, offset, count);
      offset += count;
    }
    merged[input] = { datatype, shape: [rows, ...shape.slice(1)], data };
  }
  return merged;
}

/** A copy of whole inputs for models that run one request at a time; shapes stay as they are. */
export function copyInputs(inputs: readonly Tensor[], pool: BufferPool): Tensor[] {
  return inputs.map(({ datatype, shape, data }) => {
    const copy = pool.take(datatype, data.length);
    copyElements(data, 0, copy, 0, data.length);
    return { datatype, shape, data: copy };
  });
}

/** Rows `start` to `start + rows` of a batch output, as a view on the same memory. */
export function sliceRows(output: Tensor, start: number, rows: number): Tensor {
  const { datatype, shape, data } = output;
  if (start === 0 && rows === shape[0]) return output;
  const rowElements = innerElements(shape);
  const from = start * rowElements;
  const to = from + rows * rowElements;
  const part: TensorData = Array.isArray(data) ? data.slice(from, to) : data.subarray(from, to);
  return { datatype, shape: [rows, ...shape.slice(1)], data: part };
}

/** Collects the outputs of one request whose rows ran in several batches. */
export class RowAssembly {
  readonly #rows: number;
  #outputs: Tensor[] | undefined;

  constructor(rows: number) {
    this.#rows = rows;
  }

  /** @throws RangeError when a later batch's output has another inner shape than the first's. */
  add(part: readonly Tensor[], start: number): void {
    this.#outputs ??= part.map(({ datatype, shape }) => ({
      datatype,
      shape: [this.#rows, ...shape.slice(1)],
      data: allocate(datatype, this.#rows * innerElements(shape)),
    }));
    for (let output = 0; output < part.length; output++) {
      const source = part[output]!;
      const target = this.#outputs[output]!;
      const rowElements = innerElements(source.shape);
      if (rowElements !== innerElements(target.shape))
        throw new RangeError('The output’s shape differs between batches.');
      copyElements(source.data, 0, target.data, start * rowElements, source.data.length);
    }
  }

  get outputs(): readonly Tensor[] {
    return this.#outputs!;
  }
}

/** Elements per row: the product of all dimensions but the first. */
export function innerElements(shape: readonly number[]): number {
  let count = 1;
  for (let axis = 1; axis < shape.length; axis++) count *= shape[axis]!;
  return count;
}

function copyElements(source: TensorData, from: number, target: TensorData, to: number, count: number): void {
  if (count <= smallCopy || Array.isArray(source)) {
    for (let index = 0; index < count; index++) target[to + index] = source[from + index]!;
    return;
  }
  const whole = from === 0 && count === source.length;
  (target as Float32Array).set(
    (whole ? source : (source as TypedArray).subarray(from, from + count)) as Float32Array,
    to,
  );
}
