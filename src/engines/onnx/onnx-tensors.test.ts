import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Tensor as OrtTensor } from 'onnxruntime-node';
import { fromRuntimeValue, toRuntimeValue } from './onnx-tensors.ts';

describe('runtime values', () => {
  it('hands data over without copying', () => {
    const data = Uint16Array.of(0x3c00);
    const value = toRuntimeValue('x', { datatype: 'float16', shape: [1], data }) as unknown as OrtTensor;
    assert.equal(value.data as unknown, data);
    assert.equal(value.type, 'float16');
  });

  it('refuses data that does not fill the shape, and strings the binding would cut', () => {
    assert.throws(() => toRuntimeValue('x', { datatype: 'float32', shape: [2, 2], data: new Float32Array(5) }), {
      code: 'ENGINE_FAILED',
      message: 'Input x has 5 elements, which do not fill its shape [2, 2].',
    });
    assert.throws(
      () => toRuntimeValue('x', { datatype: 'string', shape: [2], data: ['a', 'b\0c'] }),
      /string 1 contains a NUL/,
    );
  });

  it('gives half floats back as their bits, from whichever array the runtime uses', () => {
    const bits = Uint16Array.of(0x3c00, 0xc000);
    const HalfArray = (globalThis as unknown as { Float16Array?: typeof Uint16Array }).Float16Array ?? Uint16Array;
    const data = new HalfArray(bits.buffer);
    const tensor = fromRuntimeValue({ type: 'float16', dims: [2], data } as unknown as OrtTensor);
    assert.deepEqual(tensor, { datatype: 'float16', shape: [2], data: bits });
    assert.equal((tensor.data as Uint16Array).buffer, bits.buffer);
  });
});
