/** Models and random tensors for the tests of the protocol. Tests only. */
import fc from 'fast-check';
import { HotpathError } from '../../../core/errors.ts';
import type { NamedTensor } from '../../../core/tensor.ts';
import {
  allocate,
  type Datatype,
  datatypes,
  elementCount,
  type Signature,
  type Tensor,
  type TensorSpec,
} from '../../../core/tensor.ts';
import type { InferResponse, ModelView } from '../../../core/types.ts';

export function modelView(inputs: readonly TensorSpec[], more: Partial<ModelView & Signature> = {}): ModelView {
  const { outputs = [], skippedOutputs = [], ...rest } = more;
  const signature = { inputs, outputs, skippedOutputs };
  return { name: 'model', version: '1', signature, batchable: false, labels: undefined, nan: 'allow', ...rest };
}

export function response(model: ModelView, outputs: readonly NamedTensor[]): InferResponse {
  const timing = { decodeMs: 0, queueMs: 0, batchMs: 0, inferMs: 0, batchRows: 1, release: 'idle' } as const;
  return { model, outputs, timing };
}

/** Of any code points; fast-check's own unit for that takes a second to set up. */
const codePoint = fc.nat(0x10ffff).filter((code) => code < 0xd800 || code > 0xdfff);
const text = fc.array(codePoint, { maxLength: 8 }).map((codes) => String.fromCodePoint(...codes));

/** Every value of the datatype: NaN, infinities, -0, subnormals, 64-bit extremes and text of all planes included. */
function element(datatype: Datatype): fc.Arbitrary<number | bigint | string> {
  switch (datatype) {
    case 'float32':
      return fc.float();
    case 'float64':
      return fc.double();
    case 'float16':
      return fc.nat(0xffff);
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'uint64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case 'bool':
      return fc.nat(1);
    case 'string':
      return text;
    default: {
      const bits = Number(/\d+/.exec(datatype)![0]);
      const low = datatype.startsWith('u') ? 0 : -(2 ** (bits - 1));
      return fc.integer({ min: low, max: low + 2 ** bits - 1 });
    }
  }
}

export function tensorOf(datatype: Datatype): fc.Arbitrary<Tensor> {
  const shapes = fc.array(fc.nat(4), { maxLength: 3 });
  return shapes.chain((shape) => {
    const count = elementCount(shape);
    return fc.array(element(datatype), { minLength: count, maxLength: count }).map((values) => {
      const data = allocate(datatype, count);
      for (const [index, value] of values.entries()) (data as unknown[])[index] = value;
      return { datatype, shape, data };
    });
  });
}

export const anyTensor: fc.Arbitrary<Tensor> = fc.constantFrom(...datatypes).chain(tensorOf);

/** The HotpathError that `act` throws; fails when it throws nothing or anything else. */
export function refusal(act: () => unknown): HotpathError {
  try {
    act();
  } catch (error) {
    if (error instanceof HotpathError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}
