import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readTritonConfig } from '../../config/triton/to-model-config.ts';
import type { Signature, TensorSpec } from '../tensor.ts';
import { checkDeclared } from './check-declared.ts';

const real: Signature = {
  inputs: [{ name: 'x', datatype: 'float32', shape: [-1, 4] }],
  outputs: [
    { name: 'y', datatype: 'int64', shape: [-1] },
    { name: 'z', datatype: 'float32', shape: [] },
  ],
  skippedOutputs: [],
};

function check(text: string, signature: Signature = real): string | undefined {
  return checkDeclared(readTritonConfig(text, 'm').config, signature);
}

describe('a declared signature', () => {
  it('agrees with the model when names, datatypes and shapes do, or when it leaves them to the model', () => {
    for (const text of [
      '',
      'max_batch_size: 8',
      'max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: 4 }',
      'max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: -1 }',
      'max_batch_size: 8 input { name: "x" dims: [2, 2] reshape { shape: 4 } }',
      'input { name: "x" dims: [7, 4] }',
      'input { name: "x" dims: [4] reshape { shape: [1, 4] } } output { name: "y" data_type: TYPE_INT64 dims: 1 }',
      'input { name: "x" dims: [-1, 4] } output { name: "z" data_type: TYPE_FP32 dims: [3, 4] }',
      'input { name: "x" dims: [1, 4] } input { name: "constant" optional: true dims: 3 }',
      'max_batch_size: 8 output { name: "y" reshape { } dims: 1 }',
    ]) {
      assert.equal(check(text), undefined, text);
    }
  });

  it('is refused with the name and both sides', () => {
    for (const [text, message] of [
      [
        'input { name: "X" dims: [1, 4] }',
        'config.pbtxt declares the input "X", which the model does not have; it has x.',
      ],
      [
        'output { name: "w" dims: 1 }',
        'config.pbtxt declares the output "w", which the model does not have; it has y, z.',
      ],
      [
        'input { name: "x" data_type: TYPE_FP64 dims: [1, 4] }',
        'config.pbtxt declares the input "x" as float64, but in the model it is float32.',
      ],
      ['input { name: "x" dims: 4 }', 'config.pbtxt gives the input "x" the shape [4], but in the model it is [?, 4].'],
      [
        'max_batch_size: 8 input { name: "x" dims: 5 }',
        'config.pbtxt gives the input "x" the shape [?, 5], but in the model it is [?, 4]; with max_batch_size 8 the first axis is the batch, and must be variable in the model.',
      ],
    ] as const) {
      assert.equal(check(text), message);
    }
  });

  it('needs a variable first axis for a batch', () => {
    const fixed: Signature = { ...real, inputs: [{ name: 'x', datatype: 'float32', shape: [1, 4] }] };
    assert.match(
      check('max_batch_size: 2 input { name: "x" dims: 4 }', fixed)!,
      /\[\?, 4\], but in the model it is \[1, 4\]/,
    );
  });

  it('may leave out outputs but no inputs, save those that a sequence fills', () => {
    const extra: TensorSpec = { name: 'START', datatype: 'int32', shape: [-1, 1] };
    const both: Signature = { ...real, inputs: [...real.inputs, extra] };
    const declared = 'max_batch_size: 8 input { name: "x" dims: 4 }';
    assert.equal(check(declared, both), 'config.pbtxt does not declare the model’s input "START", int32 [?, 1].');
    const sequence = 'sequence_batching { control_input { name: "START" control { int32_false_true: [0, 1] } } }';
    assert.equal(check(`${declared} ${sequence}`, both), undefined);
    assert.equal(
      check(`${declared} ${sequence.replace('int32', 'fp32')}`, both),
      'config.pbtxt declares the input "START" as float32, but in the model it is int32.',
    );
    const state = 'sequence_batching { state { input_name: "START" output_name: "z" data_type: TYPE_INT32 dims: 2 } }';
    assert.match(
      check(`${declared} ${state}`, both)!,
      /the input "START" the shape \[\?, 2\], but in the model it is \[\?, 1\]/,
    );
  });
});
