import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readTritonConfig } from '../../config/triton/to-model-config.ts';
import { elementCount, type Signature, type Tensor } from '../tensor.ts';
import { present, reshapeTensor } from './presentation.ts';
import { toClientOutputs, toModelInputs } from './presented-runner.ts';

const real: Signature = {
  inputs: [
    { name: 'image', datatype: 'float32', shape: [-1, 3, -1, -1] },
    { name: 'scale', datatype: 'float32', shape: [-1] },
  ],
  outputs: [
    { name: 'label', datatype: 'int64', shape: [-1] },
    { name: 'boxes', datatype: 'float32', shape: [-1, -1, 4] },
  ],
  skippedOutputs: [],
};

const presentationOf = (text: string) => present(readTritonConfig(text, 'm').config, real);
const zeros = (shape: number[]): Tensor => ({
  datatype: 'float32',
  shape,
  data: new Float32Array(elementCount(shape)),
});

describe('the presentation of a model', () => {
  it('is the model itself where nothing is declared', () => {
    const { signature, plain } = presentationOf('max_batch_size: 8');
    assert.deepEqual(signature, real);
    assert.equal(plain, true);
  });

  it('has the order, the choice and the shapes of the file', () => {
    const presentation = presentationOf(`max_batch_size: 8
      input [ { name: "scale" dims: 1 reshape { } }, { name: "image" dims: [-1, 32, 32] }, { name: "gone" optional: true } ]
      output { name: "boxes" dims: [-1, -1] }`);
    assert.deepEqual(
      [...presentation.signature.inputs, ...presentation.signature.outputs].map(({ name, shape }) => [name, shape]),
      [
        ['scale', [-1, 1]],
        ['image', [-1, 3, 32, 32]],
        ['boxes', [-1, -1, 4]],
      ],
    );
    assert.equal(presentation.plain, false);
    const [scale, image] = [zeros([2, 1]), zeros([2, 3, 32, 32])];
    assert.deepEqual(toModelInputs(presentation, [scale, image]), [image, { ...scale, shape: [2] }]);
    const [label, boxes] = [zeros([2]), zeros([2, 5, 4])];
    assert.deepEqual(toClientOutputs(presentation, [label, boxes]), [boxes]);
  });

  it('gives outputs the declared dims', () => {
    const presentation = presentationOf('max_batch_size: 8 output { name: "label" dims: 1 reshape { } }');
    const [output] = toClientOutputs(presentation, [zeros([3]), zeros([3, 1, 4])]);
    assert.deepEqual(
      [presentation.signature.outputs[0]!.shape, output!.shape],
      [
        [-1, 1],
        [3, 1],
      ],
    );
  });
});

describe('a reshape', () => {
  it('hands variable dimensions over in their order', () => {
    const reshape = { from: [-1, -1, 6, -1], to: [-1, 2, -1, 3, 1, -1] };
    assert.deepEqual(reshapeTensor(zeros([5, 7, 6, 8]), reshape).shape, [5, 2, 7, 3, 1, 8]);
  });

  it('is undone by its reverse and shares the data', () => {
    const dim = fc.integer({ min: 1, max: 4 });
    const dims = fc.array(fc.record({ size: dim, variable: fc.boolean() }), { maxLength: 5 });
    fc.assert(
      fc.property(dims, (parts) => {
        const from = parts.map(({ size, variable }) => (variable ? -1 : size));
        const to = from.flatMap((each) => (each === -1 ? [-1] : [1, each]));
        const tensor = zeros(parts.map(({ size }) => size));
        const there = reshapeTensor(tensor, { from, to });
        assert.equal(there.data, tensor.data);
        assert.equal(elementCount(there.shape), tensor.data.length);
        assert.deepEqual(reshapeTensor(there, { from: to, to: from }), tensor);
      }),
    );
  });
});
