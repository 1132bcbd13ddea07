import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { seededRandom } from '../core/seeded-random.ts';
import { encodeModel } from '../onnx-file/encode.ts';
import type { Dataset } from './dataset.ts';
import { roundDownToFloat32 } from './decision-tree.ts';
import type { Forest } from './forest.ts';
import { forestAccuracy, predictForest, trainForest } from './forest.ts';
import { forestToOnnx } from './forest-to-onnx.ts';

/** Points around one random centre per class, coarse enough that values repeat. */
function blobs(rows: number, featureCount: number, classCount: number, seed: number): Dataset {
  const random = seededRandom(seed);
  const centres = Array.from({ length: classCount * featureCount }, () => random() * 4);
  const labels = Int32Array.from({ length: rows }, () => Math.floor(random() * classCount));
  const features = Float32Array.from({ length: rows * featureCount }, (_, index) => {
    const label = labels[Math.floor(index / featureCount)]!;
    return Math.round((centres[label * featureCount + (index % featureCount)]! + random() * 3) * 10) / 10;
  });
  return { features, labels, featureCount, classCount };
}

async function assertSameAnswers(forest: Forest, points: Float32Array<ArrayBuffer>, threads: number): Promise<void> {
  const bytes = encodeModel(forestToOnnx(forest));
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: threads });
  const dims = [points.length / forest.featureCount, forest.featureCount];
  const results = await session.run({ features: new ort.Tensor('float32', points, dims) });
  await session.release();
  const expected = predictForest(forest, points);
  assert.deepEqual(Int32Array.from(results.label!.data as BigInt64Array, Number), expected.labels);
  assert.deepEqual(results.probabilities!.data, expected.probabilities);
}

describe('an exported forest', () => {
  for (const classCount of [2, 3, 5]) {
    it(`answers exactly what the trainer answers for ${classCount} classes, in any batch and with any threads`, async () => {
      const data = blobs(200, 3, classCount, classCount);
      const forest = trainForest(data, { trees: 90, maxDepth: 5 }, seededRandom(1));
      const random = seededRandom(2);
      const points = Float32Array.from({ length: 3 * 1000 }, () => random() * 8 - 0.5);
      await assertSameAnswers(forest, points, 1);
      await assertSameAnswers(forest, points, 2);
      await assertSameAnswers(forest, points.slice(0, 3), 2);
      await assertSameAnswers(forest, data.features, 2);
    });
  }

  it('agrees on thresholds themselves, their neighbours, infinities and NaN', async () => {
    const forest = trainForest(blobs(300, 2, 3, 9), { trees: 10 }, seededRandom(3));
    const thresholds = forest.trees.flatMap((tree) => [...tree.threshold]);
    const special = [...thresholds, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e-45];
    const around = special.flatMap((value) => [value, value * (1 + 2 ** -23), value * (1 - 2 ** -23)]);
    const points = Float32Array.from(around.flatMap((value, i) => [value, around[(i * 7) % around.length]!]));
    await assertSameAnswers(forest, points, 1);
  });

  it('agrees where votes tie', async () => {
    const features = new Float32Array(40);
    const labels = Int32Array.from(features, (_, row) => row % 4);
    const data = { features, labels, featureCount: 1, classCount: 4 };
    const twoEach = trainForest(data, { trees: 2 }, () => 0.5);
    const leaf = Int32Array.of(2 ** 21, 2 ** 21, 2 ** 22, 0);
    const tied = { ...twoEach, trees: twoEach.trees.map((tree, i) => ({ ...tree, voteUnits: i ? leaf : swap(leaf) })) };
    const points = new Float32Array([0, 1]);
    await assertSameAnswers(tied, points, 1);
    assert.deepEqual([...predictForest(tied, points).labels], [0, 0]);
  });

  it('agrees when two classes tie at one half', async () => {
    const data = { features: new Float32Array(4), labels: Int32Array.of(0, 1, 0, 1), featureCount: 1, classCount: 2 };
    const forest = trainForest(data, { trees: 1 }, () => 0.3);
    const half = {
      ...forest,
      trees: forest.trees.map((tree) => ({ ...tree, voteUnits: Int32Array.of(2 ** 23, 2 ** 23) })),
    };
    await assertSameAnswers(half, new Float32Array([1]), 1);
    assert.deepEqual([...predictForest(half, new Float32Array([1])).labels], [0]);
  });

  it('agrees when one class of two never won a leaf', async () => {
    const data = { features: new Float32Array(4), labels: new Int32Array(4), featureCount: 1, classCount: 2 };
    await assertSameAnswers(trainForest(data, { trees: 3 }, seededRandom(1)), new Float32Array([1, 2]), 1);
  });
});

function swap(leaf: Int32Array): Int32Array {
  return Int32Array.of(leaf[2]!, leaf[1]!, leaf[0]!, leaf[3]!);
}

describe('trainForest', () => {
  it('learns what one threshold per feature cannot: exclusive or', () => {
    const random = seededRandom(5);
    const features = Float32Array.from({ length: 400 }, random);
    const labels = Int32Array.from({ length: 200 }, (_, row) =>
      features[row * 2]! > 0.5 === features[row * 2 + 1]! > 0.5 ? 1 : 0,
    );
    const data = { features, labels, featureCount: 2, classCount: 2 };
    assert.ok(forestAccuracy(trainForest(data, { trees: 25 }, seededRandom(1)), data) >= 0.99);
  });

  it('gives the same forest for the same seed and another for another', () => {
    const data = blobs(100, 4, 3, 4);
    const train = (seed: number) => trainForest(data, { trees: 5 }, seededRandom(seed));
    assert.deepEqual(train(7), train(7));
    assert.notDeepEqual(train(7), train(8));
  });

  it('keeps the limits of depth and of rows per leaf', () => {
    const data = blobs(200, 3, 4, 6);
    const forest = trainForest(data, { trees: 5, maxDepth: 3, minLeafRows: 7 }, seededRandom(1));
    for (const tree of forest.trees) {
      const depthOf = (node: number): number =>
        tree.feature[node]! < 0 ? 0 : 1 + Math.max(depthOf(tree.trueChild[node]!), depthOf(tree.falseChild[node]!));
      assert.ok(depthOf(0) <= 3);
      for (const [node, feature] of tree.feature.entries()) {
        const rows = tree.classRows.slice(node * 4, node * 4 + 4).reduce((sum, count) => sum + count, 0);
        assert.ok(feature >= 0 ? rows === 0 : rows >= 7, `node ${node} has ${rows} rows`);
      }
    }
  });

  it('gives probabilities that sum to exactly 1, for any number of trees', () => {
    const data = blobs(60, 2, 3, 8);
    for (const trees of [1, 3, 7, 100]) {
      const { probabilities } = predictForest(trainForest(data, { trees }, seededRandom(trees)), data.features);
      for (let row = 0; row < 60; row++) {
        assert.equal(probabilities[row * 3]! + probabilities[row * 3 + 1]! + probabilities[row * 3 + 2]!, 1);
      }
    }
  });

  it('refuses data and options it cannot learn from', () => {
    const good = blobs(10, 2, 2, 1);
    const refused: [Partial<Dataset>, object][] = [
      [{ classCount: 1 }, {}],
      [{ labels: new Int32Array(10).fill(2) }, {}],
      [{ features: new Float32Array(20).fill(Number.NaN) }, {}],
      [{ features: new Float32Array(19) }, {}],
      [{}, { trees: 0 }],
      [{}, { featuresPerSplit: 3 }],
      [{}, { maxDepth: 1.5 }],
    ];
    for (const [change, options] of refused) {
      assert.throws(() => trainForest({ ...good, ...change }, options, seededRandom(1)), { code: 'INVALID_INPUT' });
    }
  });
});

/** The next larger float32. */
function nextUp(value: number): number {
  const bits = new Int32Array(new Float32Array([value]).buffer);
  if (value === 0) bits[0] = 1;
  else bits[0]! += value > 0 ? 1 : -1;
  return new Float32Array(bits.buffer)[0]!;
}

describe('roundDownToFloat32', () => {
  it('gives the largest float32 that is not above', () => {
    const double = fc.double({ noNaN: true, noDefaultInfinity: true, min: -3.4e38, max: 3.4e38 });
    fc.assert(
      fc.property(fc.oneof(double, double.map(Math.fround)), (value) => {
        const down = roundDownToFloat32(value);
        assert.equal(Math.fround(down), down);
        assert.ok(down <= value && value < nextUp(down));
      }),
    );
  });

  it('keeps neighbours apart', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true, max: Math.fround(3e38) }), (below) => {
        assert.ok(roundDownToFloat32((below + nextUp(below)) / 2) === below);
      }),
    );
  });
});
