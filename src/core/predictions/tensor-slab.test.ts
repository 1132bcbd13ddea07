import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { allocate, type Datatype, datatypes, elementBytes, type Tensor, viewBytes } from '../tensor.ts';
import { encodeNamedTensors } from './named-tensors.ts';
import { TensorSlab } from './tensor-slab.ts';

/** Any bits at all, so also NaNs that are not the usual one. */
function tensorOf(datatype: Datatype, bytes: Uint8Array): Tensor {
  if (datatype === 'string') return { datatype, shape: [2], data: ['a', `${bytes.length}`] };
  const count = Math.floor(bytes.length / elementBytes[datatype]);
  const buffer = bytes.slice(0, count * elementBytes[datatype]).buffer;
  return { datatype, shape: [1, count], data: viewBytes(datatype, buffer, 0, buffer.byteLength) };
}

const tensor = fc
  .tuple(fc.constantFrom(...datatypes), fc.uint8Array({ maxLength: 600, size: 'max' }))
  .map(([datatype, bytes]) => tensorOf(datatype, bytes));

const names = Uint8Array.of(7, 8, 9);

describe('tensor slab', () => {
  it('writes the bytes of the codec, and never into what it gave', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(tensor, { maxLength: 4 }), { minLength: 1, maxLength: 60, size: 'max' }),
        (lists) => {
          const slab = new TensorSlab();
          const given = lists.map((tensors) => slab.encode(names, tensors));
          for (const [index, tensors] of lists.entries())
            assert.deepEqual(Buffer.from(given[index]!), Buffer.from(encodeNamedTensors(names, tensors)));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('goes on in new memory when a slab is full, and leaves what is large to the codec', () => {
    const slab = new TensorSlab();
    const buffers = new Set<ArrayBufferLike>();
    for (const count of [1, 1000, 1000, 5000, 63, 64, 65, ...new Array<number>(40).fill(1000)]) {
      const tensors: Tensor[] = [{ datatype: 'float32', shape: [count], data: allocate('float32', count) }];
      const bytes = slab.encode(names, tensors);
      assert.deepEqual(bytes, encodeNamedTensors(names, tensors));
      buffers.add(bytes.buffer);
    }
    assert.equal(buffers.size, 4);
  });

  it('reads only the part of a memory that the tensor is', () => {
    const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    const tensors: Tensor[] = [{ datatype: 'float32', shape: [2], data }];
    assert.deepEqual(new TensorSlab().encode(names, tensors), encodeNamedTensors(names, tensors));
  });
});
