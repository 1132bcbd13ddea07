/**
 * Random tensors to try a model with. Pure; used by the probe child. Integers stay 0 or 1 at scale 1, so that they are
 * safe as token ids, indices and masks; larger scales reach values that scale 1 leaves alike.
 */

import type { Datatype, Tensor, TensorData } from '../../core/tensor.ts';
import { allocate, elementCount } from '../../core/tensor.ts';
import type { Random } from '../../ports/clock.ts';

/** Numbers as text first, because a model that parses its strings refuses everything else. */
const numerals = ['0', '1', '2', '7', '-3', '12'];
const words = [...numerals, 'a', 'b', 'true', 'male', 'female', 'S', 'hello world', ''];

export function randomTensor(datatype: Datatype, shape: readonly number[], scale: number, random: Random): Tensor {
  const data = allocate(datatype, elementCount(shape));
  fill(data, datatype, scale, random);
  return { datatype, shape, data };
}

function fill(data: TensorData, datatype: Datatype, scale: number, random: Random): void {
  if (Array.isArray(data)) {
    const choice = scale === 1 ? numerals : words;
    for (let index = 0; index < data.length; index++) data[index] = choice[Math.floor(random() * choice.length)]!;
  } else if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let index = 0; index < data.length; index++) data[index] = BigInt(wholeNumber(scale, random));
  } else if (datatype === 'float16') {
    for (let index = 0; index < data.length; index++) data[index] = halfBits(scale, random);
  } else if (datatype === 'float32' || datatype === 'float64') {
    for (let index = 0; index < data.length; index++) data[index] = (2 * random() - 1) * scale;
  } else {
    const most = datatype === 'bool' ? 1 : Math.min(scale, 127);
    for (let index = 0; index < data.length; index++) data[index] = wholeNumber(most, random);
  }
}

function wholeNumber(scale: number, random: Random): number {
  return Math.floor(random() * (Math.max(1, Math.floor(scale)) + 1));
}

/** Bits of a half between scale/64 and 2 * scale, either sign: five exponents, any mantissa. */
function halfBits(scale: number, random: Random): number {
  const top = Math.min(30, 15 + Math.round(Math.log2(scale)));
  const exponent = Math.max(1, top - Math.floor(random() * 6));
  return (random() < 0.5 ? 0x8000 : 0) | (exponent << 10) | Math.floor(random() * 1024);
}
