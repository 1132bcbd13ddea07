/**
 * What the fake engine answers: a plain function of each row, so that swapped, lost or mixed rows show.
 * Output i is a copy of input i where datatype and rank are alike and no fixed dimension differs; every other output is
 * filled with the sum over all inputs of the row's elements (a string counts its UTF-16 units' sum). Pure.
 */
import { HotpathError } from '../../core/errors.ts';
import type { Signature, Tensor, TensorData, TensorSpec } from '../../core/tensor.ts';
import { allocate, elementCount } from '../../core/tensor.ts';

/** @throws ENGINE_FAILED for an output the signature does not have. */
export function fakeAnswers(signature: Signature, inputs: readonly Tensor[], wanted: readonly string[]): Tensor[] {
  const rows = inputs[0]?.shape[0] ?? 1;
  const sums = rowSums(inputs, rows);
  return wanted.map((name) => {
    const index = signature.outputs.findIndex((output) => output.name === name);
    const spec = signature.outputs[index];
    if (spec === undefined) throw new HotpathError('ENGINE_FAILED', `The model has no output ${name}.`);
    const input = inputs[index];
    if (input !== undefined && isCopy(spec, signature.inputs[index]!)) {
      return { ...input, data: input.data.slice() as TensorData };
    }
    return filled(spec, rows, sums, inputs);
  });
}

function isCopy(output: TensorSpec, input: TensorSpec): boolean {
  if (output.datatype !== input.datatype || output.shape.length !== input.shape.length) return false;
  return output.shape.every((dim, axis) => dim === input.shape[axis]);
}

/** Element of row r of every input, added up; an input without a first dimension of `rows` adds its whole to each row. */
function rowSums(inputs: readonly Tensor[], rows: number): number[] {
  const sums = new Array<number>(rows).fill(0);
  for (const { shape, data } of inputs) {
    const size = shape[0] === rows && rows > 0 ? data.length / rows : 0;
    for (let row = 0; row < rows; row++) {
      const start = row * size;
      const end = size === 0 ? data.length : start + size;
      for (let index = start; index < end; index++) sums[row]! += numberOf(data[index]!);
    }
  }
  return sums;
}

function numberOf(element: number | bigint | string): number {
  if (typeof element !== 'string') return Number(element);
  let sum = 0;
  for (let index = 0; index < element.length; index++) sum += element.charCodeAt(index);
  return sum;
}

function filled(spec: TensorSpec, rows: number, sums: readonly number[], inputs: readonly Tensor[]): Tensor {
  const shape = spec.shape.map((dim, axis) => {
    if (dim >= 0) return dim;
    return axis === 0 ? rows : (inputs[0]?.shape[axis] ?? 1);
  });
  const count = elementCount(shape);
  const size = shape[0] === rows && rows > 0 ? count / rows : count;
  const data = allocate(spec.datatype, count);
  for (let index = 0; index < count; index++) {
    const sum = sums[Math.floor(index / Math.max(1, size))] ?? 0;
    if (Array.isArray(data)) data[index] = String(sum);
    else if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = BigInt(Math.trunc(sum));
    else data[index] = sum;
  }
  return { datatype: spec.datatype, shape, data };
}
