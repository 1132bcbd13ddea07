import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as ort from 'onnxruntime-node';
import { seededRandom } from '../core/seeded-random.ts';
import { predictForest } from './forest.ts';
import { readIris, trainIris } from './train-iris.ts';

describe('the Iris data', () => {
  it('is Fisher’s: 50 rows of each species and the known means', () => {
    const iris = readIris();
    assert.deepEqual(iris.classNames, ['setosa', 'versicolor', 'virginica']);
    assert.deepEqual(iris.featureNames, ['sepal_length', 'sepal_width', 'petal_length', 'petal_width']);
    for (const label of [0, 1, 2]) assert.equal(iris.labels.filter((other) => other === label).length, 50);
    const means = [0, 1, 2, 3].map((column) => {
      const values = iris.features.filter((_, index) => index % 4 === column);
      return (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(6);
    });
    assert.deepEqual(means, ['5.843333', '3.057333', '3.758000', '1.199333']);
  });
});

describe('trainIris', () => {
  it('classifies held-out flowers and the textbook example', () => {
    const { heldOutAccuracy, forest, classNames } = trainIris();
    assert.ok(heldOutAccuracy >= 0.9, `accuracy ${heldOutAccuracy}`);
    const { labels } = predictForest(forest, new Float32Array([5.1, 3.5, 1.4, 0.2, 6.3, 3.3, 6, 2.5]));
    assert.deepEqual(
      [...labels].map((label) => classNames[label]),
      ['setosa', 'virginica'],
    );
  });

  it('gives the same bytes for the same seed', () => {
    assert.deepEqual(trainIris({ seed: 3 }).model, trainIris({ seed: 3 }).model);
    assert.notDeepEqual(trainIris({ seed: 3 }).model, trainIris({ seed: 4 }).model);
  });

  it('exports a model with exactly the trainer’s answers on all flowers and 20,000 random points', async () => {
    const { model, forest } = trainIris();
    const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
    const random = seededRandom(11);
    for (const points of [readIris().features, Float32Array.from({ length: 80_000 }, () => random() * 8.5)]) {
      const results = await session.run({ features: new ort.Tensor('float32', points, [points.length / 4, 4]) });
      const expected = predictForest(forest, points);
      assert.deepEqual(Int32Array.from(results.label!.data as BigInt64Array, Number), expected.labels);
      assert.deepEqual(results.probabilities!.data, expected.probabilities);
    }
    assert.deepEqual(
      session.outputMetadata.map((output) => [
        output.name,
        output.isTensor && output.type,
        output.isTensor && output.shape,
      ]),
      [
        ['label', 'int64', ['batch']],
        ['probabilities', 'float32', ['batch', 3]],
      ],
    );
    await session.release();
  });
});
