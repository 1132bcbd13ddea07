import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProcessModelRunner } from '../../src/engines/onnx/model-runner.ts';
import { makeNode } from '../../src/onnx-file/model.ts';
import { fetchValues, inferShapes } from '../../src/optimizer/graph/infer-shapes.ts';
import { staticShapes } from '../../src/optimizer/graph/inspect/static-shapes.ts';
import { loadModel } from '../../src/optimizer/graph/load.ts';
import { graphOf, linearGraph } from '../../src/optimizer/graph/testing/small-models.ts';
import { fixture, withoutFixtures } from './support/engine-harness.ts';

/** Image models with float32 inputs of fixed size, apart from a batch. */
const imageModels = [
  'detect/yolox_nano/yolox_nano.onnx',
  'detect/ultraface/version-RFB-320.onnx',
  'classify/mnist/mnist.onnx',
  'classify/mnist/cnn_mnist_pytorch.onnx',
  'image2image/super_resolution/super_resolution.onnx',
];

const feeds = { x: { datatype: 'float32', shape: [3, 2], data: Float32Array.of(1, 0, 0, 1, -9, -9) } } as const;

describe('shapes by running once', () => {
  const runner = new ProcessModelRunner();

  it('are those of every value, also of fused ones and of constants', async () => {
    const shapes = await inferShapes(linearGraph(), runner, feeds);
    assert.deepEqual(Object.fromEntries([...shapes].map(([name, { shape }]) => [name, shape])), {
      x: [3, 2],
      h: [3, 2],
      s: [3, 2],
      y: [3, 2],
    });
  });

  it('come with values inside the graph when asked', async () => {
    const { h, s } = await fetchValues(linearGraph(), runner, feeds, ['h', 's']);
    assert.deepEqual([...(h!.data as Float32Array)], [1, 2, 3, 4, -36, -54]);
    assert.deepEqual([...(s!.data as Float32Array)], [11, 22, 13, 24, -26, -34]);
  });

  it('leave out what is no tensor', async () => {
    const graph = graphOf([makeNode('SequenceConstruct', ['x'], ['list']), makeNode('Relu', ['x'], ['y'])]);
    assert.deepEqual([...(await inferShapes(graph, runner, feeds)).keys()].sort(), ['x', 'y']);
  });
});

describe('shapes without running', { skip: withoutFixtures }, () => {
  it('are the real ones, for every value of the image models', async () => {
    const runner = new ProcessModelRunner();
    for (const path of imageModels) {
      const graph = loadModel(fixture(path));
      graph.dropValueInfos();
      const given = graph.inputs.filter(({ name }) => !graph.isInitializer(name));
      const images = given.map(({ name, type }) => {
        const shape = type.dims!.map((dim) => (typeof dim === 'string' ? 1 : dim));
        return [
          name,
          { datatype: 'float32', shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
        ] as const;
      });
      const real = await inferShapes(graph, runner, Object.fromEntries(images));
      const shapeOf = staticShapes(graph);
      const values = graph.nodes.map(({ outputs }) => outputs[0]!);
      assert.deepEqual(
        values.map((value) => [value, shapeOf(value)]),
        values.map((value) => [value, real.get(value)?.shape]),
        path,
      );
    }
  });
});
