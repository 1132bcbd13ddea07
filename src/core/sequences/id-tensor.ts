/** The id of a sequence as the model gets it. Called by sequence-runner.ts for every request of a model that asks for the id. */
import { type HotpathError, invalidInput } from '../errors.ts';
import { allocate, type Datatype, type Tensor } from '../tensor.ts';
import type { SequenceStep } from '../types.ts';

const ranges: Partial<Record<Datatype, readonly [min: bigint, max: bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

/** @throws INVALID_INPUT when the model wants a number and the id is a text, or is too large for its datatype. */
export function idTensor(id: SequenceStep['id'], datatype: Datatype, shape: readonly number[]): Tensor {
  if (datatype === 'string') return { datatype, shape, data: [String(id)] };
  const range = ranges[datatype];
  if (typeof id === 'string' || range === undefined) throw wrongId('a number', id);
  const value = BigInt(id);
  if (value < range[0] || value > range[1]) throw wrongId(`a number that fits ${datatype}`, id);
  const data = allocate(datatype, 1);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[0] = value;
  else (data as Int32Array)[0] = Number(value);
  return { datatype, shape, data };
}

function wrongId(expected: string, id: SequenceStep['id']): HotpathError {
  const shown = typeof id === 'string' ? JSON.stringify(id.slice(0, 64)) : String(id);
  return invalidInput('sequence_id', `sequence_id must be ${expected} for this model, not ${shown}.`, expected, shown);
}
