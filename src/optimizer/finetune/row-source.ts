/**
 * Rows of a data set in any order, as batches of one fixed size. Called by the training loops. A small data set is read once and
 * kept; of a big one each row is read when its turn comes.
 */
import type { Tensor, TypedArray } from '../../core/tensor.ts';
import { allocate, elementCount, tensorBytes } from '../../core/tensor.ts';
import type { Dataset, Feeds } from '../pass.ts';

const keptBytes = 256 * 1024 * 1024;

export class RowSource {
  readonly #data: Dataset;
  readonly #all: Feeds | undefined;

  constructor(data: Dataset) {
    this.#data = data;
    const rowBytes = Object.values(data.slice(0, 1)).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
    this.#all = rowBytes * data.rows <= keptBytes ? data.slice(0, data.rows) : undefined;
  }

  /** A batch of its own memory. */
  take(rows: ArrayLike<number>): Feeds {
    const first = this.#row(rows[0]!);
    return Object.fromEntries(Object.keys(first).map((name) => [name, this.#join(name, first[name]!, rows)]));
  }

  #row(row: number): Feeds {
    return this.#all ?? this.#data.slice(row, 1);
  }

  #join(name: string, { datatype, shape }: Tensor, rows: ArrayLike<number>): Tensor {
    const rowSize = elementCount(shape.slice(1));
    const data = allocate(datatype, rows.length * rowSize);
    for (let index = 0; index < rows.length; index++) {
      const start = this.#all === undefined ? 0 : rows[index]! * rowSize;
      const source = this.#row(rows[index]!)[name]!.data;
      for (let i = 0; Array.isArray(data) && i < rowSize; i++)
        data[index * rowSize + i] = (source as string[])[start + i]!;
      if (!Array.isArray(data))
        (data as Float32Array).set(
          (source as TypedArray).subarray(start, start + rowSize) as Float32Array,
          index * rowSize,
        );
    }
    return { datatype, shape: [rows.length, ...shape.slice(1)], data };
  }
}
