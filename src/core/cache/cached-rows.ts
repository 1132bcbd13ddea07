/**
 * Rows out of requests and answers, and answers out of rows. Everything made here has its own memory: a row that is kept must not
 * hold its whole batch, and a request's inputs belong to somebody else once it is answered. Pure; used by the cached runner.
 */
import type { CacheOutcome } from '../../ports/cache-store.ts';
import { innerElements } from '../batching/merge-split.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import { allocate, type Tensor, type TensorData, type TypedArray, tensorBytes } from '../tensor.ts';

/** Tensor, shape, typed array and its buffer; measured over a hundred thousand answers of three floats. */
const tensorOverheadBytes = 290;
const answerOverheadBytes = 160;

/** Row `row` of every tensor, each of shape `[1, ...inner]`. */
export function copyRow(tensors: readonly Tensor[], row: number): Tensor[] {
  const copies = new Array<Tensor>(tensors.length);
  for (let index = 0; index < tensors.length; index++) {
    const { datatype, shape, data } = tensors[index]!;
    const count = innerElements(shape);
    copies[index] = {
      datatype,
      shape: shape[0] === 1 ? shape : [1, ...shape.slice(1)],
      data: data.slice(row * count, (row + 1) * count) as TensorData,
    };
  }
  return copies;
}

export function copyWhole(tensors: readonly Tensor[]): Tensor[] {
  return tensors.map(({ datatype, shape, data }) => ({ datatype, shape, data: data.slice() as TensorData }));
}

/** The rows `rows` of every tensor, below each other. */
export function gatherRows(tensors: readonly Tensor[], rows: readonly number[]): Tensor[] {
  return tensors.map(({ datatype, shape, data }) => {
    const count = innerElements(shape);
    const target = allocate(datatype, rows.length * count);
    for (let index = 0; index < rows.length; index++) put(data, rows[index]! * count, target, index * count, count);
    return { datatype, shape: [rows.length, ...shape.slice(1)], data: target };
  });
}

/** Answers of one row each below each other. Undefined when they have no common shape. */
export function joinRows(rows: readonly (readonly Tensor[])[]): Tensor[] | undefined {
  const first = rows[0]!;
  const joined: Tensor[] = [];
  for (let output = 0; output < first.length; output++) {
    const { datatype, shape } = first[output]!;
    const count = innerElements(shape);
    const target = allocate(datatype, rows.length * count);
    for (let row = 0; row < rows.length; row++) {
      const part = rows[row]![output]!;
      if (!sameInnerShape(part.shape, shape)) return undefined;
      put(part.data, 0, target, row * count, count);
    }
    joined.push({ datatype, shape: [rows.length, ...shape.slice(1)], data: target });
  }
  return joined;
}

/** What an answer holds in memory. */
export function heldBytes(outputs: readonly Tensor[]): number {
  let bytes = answerOverheadBytes;
  for (const output of outputs) bytes += tensorOverheadBytes + tensorBytes(output);
  return bytes;
}

export function dataBytes(outputs: readonly Tensor[]): number {
  let bytes = 0;
  for (const output of outputs) bytes += tensorBytes(output);
  return bytes;
}

function sameInnerShape(left: readonly number[], right: readonly number[]): boolean {
  if (left.length !== right.length) return false;
  for (let axis = 1; axis < left.length; axis++) if (left[axis] !== right[axis]) return false;
  return true;
}

function put(source: TensorData, from: number, target: TensorData, to: number, count: number): void {
  if (Array.isArray(source)) {
    for (let index = 0; index < count; index++) target[to + index] = source[from + index]!;
    return;
  }
  (target as Float32Array).set((source as TypedArray).subarray(from, from + count) as Float32Array, to);
}

export function withOutcome(answer: BatchAnswer, cache: CacheOutcome): BatchAnswer {
  const { outputs, queueMs, batchMs, inferMs, batchRows, release } = answer;
  return { outputs, queueMs, batchMs, inferMs, batchRows, release, cache };
}
