/**
 * Our tensors as the values the runtime's binding takes, and back, without copying a byte.
 * Called by session.ts for every run. Never touches the native library.
 */
import type { OnnxValue, Tensor as OrtTensor } from 'onnxruntime-node';
import { HotpathError } from '../../core/errors.ts';
import type { Datatype, Tensor, TensorData } from '../../core/tensor.ts';
import { elementCount, formatShape } from '../../core/tensor.ts';

/**
 * A plain object instead of `new ort.Tensor`: the constructor turns float16's Uint16Array into a Float16Array where the
 * language has one (Node >= 24), which the native side of 1.30 reads as 0 elements. The native side checks the rest.
 * @throws ENGINE_FAILED for what the binding would accept and get wrong.
 */
export function toRuntimeValue(name: string, tensor: Tensor): OnnxValue {
  const { datatype, shape, data } = tensor;
  if (elementCount(shape) !== data.length) {
    throw new HotpathError(
      'ENGINE_FAILED',
      `Input ${name} has ${data.length} elements, which do not fill its shape ${formatShape(shape)}.`,
    );
  }
  if (datatype === 'string') refuseNul(name, data as string[]);
  return { type: datatype, data, dims: shape, location: 'cpu' } as unknown as OnnxValue;
}

/** The binding cuts strings at the first NUL; a silent wrong answer is worse than a refusal. */
function refuseNul(name: string, texts: readonly string[]): void {
  for (let index = 0; index < texts.length; index++) {
    if (texts[index]?.includes('\0')) {
      throw new HotpathError(
        'ENGINE_FAILED',
        `Input ${name}: string ${index} contains a NUL character, which the runtime cannot take.`,
      );
    }
  }
}

/** float16 comes as Float16Array from newer Node and leaves as the same bytes in a Uint16Array. */
export function fromRuntimeValue(value: OrtTensor): Tensor {
  const data = value.data as unknown as TensorData;
  return {
    datatype: value.type as Datatype,
    shape: value.dims,
    data:
      value.type === 'float16' && !(data instanceof Uint16Array) && !Array.isArray(data)
        ? new Uint16Array(data.buffer, data.byteOffset, data.length)
        : data,
  };
}
