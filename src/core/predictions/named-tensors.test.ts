import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NamedTensor } from '../tensor.ts';
import { decodeNamedTensors, encodeNamedTensors, namesHeader, rememberedHeader } from './named-tensors.ts';

const tensors: readonly NamedTensor[] = [
  { name: 'größe', datatype: 'float32', shape: [1, 2], data: Float32Array.of(-0, Number.NaN) },
  { name: '', datatype: 'string', shape: [2], data: ['a', '\ud800'] },
  { name: 'n', datatype: 'int64', shape: [], data: BigInt64Array.of(-(2n ** 63n)) },
];

describe('named tensors', () => {
  it('come back to the last bit with their names', () => {
    assert.deepEqual(decodeNamedTensors(encodeNamedTensors(namesHeader(tensors), tensors)), tensors);
  });

  it('come back from anywhere within a larger memory', () => {
    const bytes = encodeNamedTensors(namesHeader(tensors), tensors);
    const larger = new Uint8Array(bytes.length + 10).fill(0xff);
    larger.set(bytes, 5);
    assert.deepEqual(decodeNamedTensors(larger.subarray(5, 5 + bytes.length)), tensors);
  });

  it('have the same names when these are remembered', () => {
    for (let count = 0; count < 2; count++) assert.deepEqual(rememberedHeader(tensors), namesHeader(tensors));
    assert.notDeepEqual(rememberedHeader([...tensors].reverse()), namesHeader(tensors));
  });

  it('may be none', () => {
    assert.deepEqual(decodeNamedTensors(encodeNamedTensors(namesHeader([]), [])), []);
  });

  it('are undefined when a byte is missing, whichever', () => {
    const bytes = encodeNamedTensors(namesHeader(tensors), tensors);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(decodeNamedTensors(bytes.subarray(0, length)), undefined, String(length));
    }
  });

  it('never throw on foreign bytes', () => {
    const bytes = encodeNamedTensors(namesHeader(tensors), tensors);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const changed = bytes.slice();
        for (const [at, value] of changes) changed[at] = value;
        const decoded = decodeNamedTensors(changed);
        assert.ok(decoded === undefined || Array.isArray(decoded));
      }),
    );
  });
});
