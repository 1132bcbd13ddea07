/**
 * Rows made up from a model's signature, for when there is no data: floats from a normal distribution, small integers. Called by
 * load-data.ts. They exercise a model and time it; they say little about its quality, and whoever uses them must say so aloud.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Tensor, TensorSpec } from '../../core/tensor.ts';
import { allocate, elementCount, formatShape } from '../../core/tensor.ts';
import { floatToHalf } from '../../onnx-file/small-floats.ts';
import type { Random } from '../../ports/clock.ts';
import { bindArrays } from './bind-arrays.ts';
import type { Rows } from './rows.ts';

export interface SyntheticSpec extends TensorSpec {
  /** The shape of one row where the signature leaves dimensions open, axis 0 being 1. */
  readonly trialShape?: readonly number[] | undefined;
}

/** @throws INVALID_INPUT when a dimension other than the batch is open and no trial shape says its size. */
export function makeRows(inputs: readonly SyntheticSpec[], rows: number, random: Random): Rows {
  const arrays = inputs.map((input) => [input.name, makeArray(input, rows, random)] as const);
  return bindArrays(inputs, Object.fromEntries(arrays));
}

function makeArray({ name, datatype, shape, trialShape }: SyntheticSpec, rows: number, random: Random): Tensor {
  const pattern = trialShape ?? shape;
  const [batch, ...rest] = pattern;
  if (rest.some((dim) => dim < 0)) {
    throw invalidInput(name, `The size of input "${name}" ${formatShape(shape)} is not known. Give data with --data.`);
  }
  if (batch === undefined) return filled(datatype, [], random);
  const isRows = shape[0] === -1 || shape[0] === 1;
  return filled(datatype, isRows ? [rows, ...rest] : [rows, ...pattern], random);
}

function filled(datatype: Tensor['datatype'], shape: readonly number[], random: Random): Tensor {
  const data = allocate(datatype, elementCount(shape));
  for (let index = 0; index < data.length; index++) {
    if (Array.isArray(data)) data[index] = String(Math.floor(random() * 10));
    else if (data instanceof BigInt64Array || data instanceof BigUint64Array)
      data[index] = BigInt(Math.floor(random() * 2));
    else if (datatype === 'float32' || datatype === 'float64') data[index] = normal(random);
    else data[index] = datatype === 'float16' ? floatToHalf(normal(random)) : Math.floor(random() * 2);
  }
  return { datatype, shape, data };
}

/** Box and Muller. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
