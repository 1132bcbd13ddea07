import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeclaredSequence } from '../../ports/triton-config.ts';
import type { Signature, TensorSpec } from '../tensor.ts';
import { idTensor } from './id-tensor.ts';
import { planSequences } from './sequence-plan.ts';

const declared = (changes: Partial<DeclaredSequence>): DeclaredSequence => ({
  strategy: 'direct',
  maxIdleMicroseconds: 2500,
  maxDelayMicroseconds: 0,
  controls: [],
  states: [],
  ...changes,
});

const signatureOf = (...inputs: TensorSpec[]): Signature => ({
  inputs,
  outputs: [{ name: 'next', datatype: 'int64', shape: [-1, -1, 2] }],
  skippedOutputs: [],
});

const none = new Map<string, Uint8Array>();

describe('the plan of a stateful model', () => {
  it('has control tensors of the rank of the model, with one value', () => {
    const controls: DeclaredSequence['controls'] = [
      { input: 'flat', kind: 'start', datatype: 'int32', falseTrue: [0, 1] },
      { input: 'deep', kind: 'ready', datatype: 'float32', falseTrue: [-1, 1] },
      { input: 'id', kind: 'correlation-id', datatype: 'string' },
    ];
    const signature = signatureOf(
      { name: 'id', datatype: 'string', shape: [] },
      { name: 'deep', datatype: 'float32', shape: [-1, 1, 1] },
      { name: 'flat', datatype: 'int32', shape: [-1] },
    );
    const { flags, id, maxIdleMs, maxSequences } = planSequences(declared({ controls }), signature, 0, none);
    assert.deepEqual(flags, [
      {
        kind: 'start',
        input: 2,
        no: { datatype: 'int32', shape: [1], data: Int32Array.of(0) },
        yes: { datatype: 'int32', shape: [1], data: Int32Array.of(1) },
      },
      {
        kind: 'ready',
        input: 1,
        no: { datatype: 'float32', shape: [1, 1, 1], data: Float32Array.of(-1) },
        yes: { datatype: 'float32', shape: [1, 1, 1], data: Float32Array.of(1) },
      },
    ]);
    assert.deepEqual([id, maxIdleMs, maxSequences], [{ input: 0, datatype: 'string', shape: [] }, 2.5, 16_384]);
    assert.deepEqual(idTensor(77n, 'string', []).data, ['77']);
  });

  it('is refused when a control has room for more than one value', () => {
    const controls: DeclaredSequence['controls'] = [{ input: 'c', kind: 'end', datatype: 'int32', falseTrue: [0, 1] }];
    const signature = signatureOf({ name: 'c', datatype: 'int32', shape: [-1, 2] });
    assert.throws(() => planSequences(declared({ controls }), signature, 8, none), {
      code: 'MODEL_FAILED',
      message: 'The control input "c" has the shape [?, 2]; it must have one value per request.',
    });
  });

  it('has initial states with 1 for what is variable, with their own dims, and with the batch axis where there is one', () => {
    const state = { input: 's', output: 'next', datatype: 'int64', dims: [-1, 2] } as const;
    const shapeOf = (shape: number[], maxBatchSize: number, initialDims?: readonly number[]) => {
      const states = [{ ...state, ...(initialDims === undefined ? {} : { initialDims }) }];
      const signature = signatureOf({ name: 's', datatype: 'int64', shape });
      return planSequences(declared({ states }), signature, maxBatchSize, none).states[0]!.initial;
    };
    assert.deepEqual(shapeOf([-1, -1, 2], 4), { datatype: 'int64', shape: [1, 1, 2], data: new BigInt64Array(2) });
    assert.deepEqual(shapeOf([-1, -1, 2], 4, [3, 2]).shape, [1, 3, 2]);
    assert.deepEqual(shapeOf([-1, 2], 0).shape, [1, 2]);
    assert.throws(() => shapeOf([-1, 5, 2], 4, [3, 2]), {
      message: 'The initial state of "s" has the shape [1, 3, 2], but the model takes [?, 5, 2].',
    });
  });
});
