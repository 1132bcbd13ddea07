import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rawTensor } from './raw-tensor.ts';

describe('a raw tensor file', () => {
  it('holds little-endian elements, whatever its alignment', () => {
    const bytes = new Uint8Array(9);
    new DataView(bytes.buffer).setFloat32(1, 1.5, true);
    new DataView(bytes.buffer).setFloat32(5, -2, true);
    assert.deepEqual(rawTensor('float32', [2, 1], bytes.subarray(1), 'x'), {
      datatype: 'float32',
      shape: [2, 1],
      data: Float32Array.of(1.5, -2),
    });
  });

  it('holds strings behind their lengths', () => {
    const two = Buffer.concat([Buffer.from([3, 0, 0, 0]), Buffer.from('hé'), Buffer.from([0, 0, 0, 0])]);
    assert.deepEqual(rawTensor('string', [2], two, 'x').data, ['hé', '']);
  });

  it('is refused when it does not fill the shape exactly', () => {
    const refused = (message: string) => ({ code: 'MODEL_FAILED', message });
    assert.throws(
      () => rawTensor('int64', [2], new Uint8Array(15), 'The file "a"'),
      refused('The file "a" has 15 bytes; expected 16 bytes for int64 [2].'),
    );
    for (const bytes of [[], [1, 0, 0, 0], [9, 0, 0, 0, 65], [1, 0, 0, 0, 65, 0]]) {
      assert.throws(
        () => rawTensor('string', [1], Uint8Array.from(bytes), 'It'),
        refused('It does not hold 1 strings, each behind its length as uint32.'),
      );
    }
  });
});
