import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeModel } from '../../onnx-file/decode.ts';
import { encodeModel } from '../../onnx-file/encode.ts';
import { makeModel, makeNode, makeTensor, makeValueInfo } from '../../onnx-file/model.ts';
import { optimizeOffline } from './offline-optimize.ts';

const ones = (name: string) => makeTensor(name, 'float32', [2], Float32Array.of(1, 1));

/** x -> Identity -> Add(Add(a, b)) -> y: both the Identity and the inner Add fold away. */
const model = encodeModel(
  makeModel({
    opsets: [{ domain: '', version: 17 }],
    graph: {
      name: 'test',
      nodes: [
        makeNode('Identity', ['x'], ['same']),
        makeNode('Add', ['a', 'b'], ['sum']),
        makeNode('Add', ['same', 'sum'], ['y']),
      ],
      initializers: [ones('a'), ones('b')],
      inputs: [makeValueInfo('x', 'float32', ['batch', 2])],
      outputs: [makeValueInfo('y', 'float32', ['batch', 2])],
    },
  }),
);

describe('the offline optimization', () => {
  it('folds constants and gives a model that names only the opsets it uses', async () => {
    const { graph, opsets } = decodeModel(await optimizeOffline(model, 'basic'));
    assert.deepEqual(
      graph.nodes.map(({ opType }) => opType),
      ['Add'],
    );
    assert.deepEqual(
      graph.initializers.map(({ raw }) => [...new Float32Array(raw.slice().buffer)]),
      [[2, 2]],
    );
    assert.deepEqual(opsets, [{ domain: '', version: 17 }]);
  });

  it('says in the words of the runtime why a model is refused', async () => {
    await assert.rejects(optimizeOffline(new Uint8Array([8, 8]), 'basic'), {
      code: 'MODEL_FAILED',
      message: /^The runtime refused the model: /,
    });
  });
});
