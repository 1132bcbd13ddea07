import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../core/seeded-random.ts';
import type { Matrix, Target } from '../matrix.ts';
import { classesOfScores } from '../pipeline/class-scores.ts';
import { trainBagging } from './bagging.ts';
import { binMatrix } from './bins.ts';
import type { BoostingOptions } from './boosting.ts';
import { trainBoosting } from './boosting.ts';
import type { ScoredTree } from './tree-ensemble.ts';
import { mostUnits, roundScores, scoreRows } from './tree-ensemble.ts';

function randomMatrix(rows: number, columns: number, seed: number): Matrix {
  const random = seededRandom(seed);
  return { values: Float32Array.from({ length: rows * columns }, () => random() * 2 - 1), rows, columns };
}

/** Of two columns one or the other is positive: no single cut tells the classes apart. */
function exclusiveOr(rows: number, seed: number): { matrix: Matrix; target: Target } {
  const matrix = randomMatrix(rows, 3, seed);
  const labels = Int32Array.from({ length: rows }, (_, row) =>
    matrix.values[row * 3]! > 0 === matrix.values[row * 3 + 1]! > 0 ? 1 : 0,
  );
  return { matrix, target: { task: 'classification', labels, classCount: 2 } };
}

function share(labels: Int32Array, expected: Target): number {
  if (expected.task !== 'classification') throw new TypeError('no classes');
  return labels.filter((label, row) => label === expected.labels[row]).length / labels.length;
}

describe('binMatrix', () => {
  it('says by bins exactly what thresholds say of the values', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(float, { minLength: 1, maxLength: 600 }), (values) => {
        const { bins, thresholds } = binMatrix({ values: Float32Array.from(values), rows: values.length, columns: 1 });
        assert.ok(thresholds[0]!.length < 256);
        for (const [cut, threshold] of thresholds[0]!.entries()) {
          for (const [row, value] of values.entries()) assert.equal(bins[0]![row]! <= cut, value <= threshold);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('uses all bins for many values, of about equal size', () => {
    const { bins, thresholds } = binMatrix(randomMatrix(10_000, 1, 1));
    assert.equal(thresholds[0]!.length, 255);
    const counts = new Int32Array(256);
    for (const bin of bins[0]!) counts[bin]! += 1;
    assert.ok(
      Math.min(...counts) >= 20 && Math.max(...counts) <= 80,
      `${Math.min(...counts)} to ${Math.max(...counts)}`,
    );
  });
});

describe('roundScores', () => {
  it('keeps every sum exact in float32, whatever the order, and near what was asked', () => {
    const score = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 });
    fc.assert(
      fc.property(fc.array(score, { minLength: 1, maxLength: 50 }), (leaves) => {
        const trees = leaves.map(
          (leaf): ScoredTree => ({
            outputs: [0],
            feature: Int32Array.of(-1),
            threshold: new Float32Array(1),
            trueChild: new Int32Array(1),
            falseChild: new Int32Array(1),
            scores: Float64Array.of(leaf),
          }),
        );
        const ensemble = roundScores({ trees, columns: 1, base: [0] });
        const weights = ensemble.trees.map(({ units }) => Math.fround(units[0]! * ensemble.unit));
        const forward = weights.reduce((sum, weight) => Math.fround(sum + weight), 0);
        const backward = weights.toReversed().reduce((sum, weight) => Math.fround(sum + weight), 0);
        const [sum] = scoreRows(ensemble, { values: new Float32Array(1), rows: 1, columns: 1 });
        assert.deepEqual([forward, backward], [sum, sum]);
        const exact = leaves.reduce((total, leaf) => total + leaf, 0);
        const most = leaves.reduce((total, leaf) => total + Math.abs(leaf), 0);
        assert.ok(Math.abs(sum! - exact) <= (leaves.length * most * 2) / mostUnits + leaves.length * 2 ** -126);
      }),
    );
  });
});

describe('trainBoosting', () => {
  const train = (rows: number, options: BoostingOptions, seed = 1) => {
    const { matrix, target } = exclusiveOr(rows, 7);
    return { boosted: trainBoosting(matrix, target, options, seededRandom(seed)), matrix, target };
  };

  it('learns what no single cut can', () => {
    const { boosted } = train(2000, { rounds: 60 });
    const unseen = exclusiveOr(1000, 8);
    const { labels } = classesOfScores(scoreRows(boosted.ensemble, unseen.matrix), 1);
    assert.ok(share(labels, unseen.target) > 0.97, String(share(labels, unseen.target)));
    assert.ok(boosted.gains[2]! < 0.05 * boosted.gains[0]!);
  });

  it('tells three classes apart', () => {
    const matrix = randomMatrix(900, 2, 3);
    const labels = Int32Array.from({ length: 900 }, (_, row) => Math.floor((matrix.values[row * 2]! + 1) * 1.5));
    const target: Target = { task: 'classification', labels, classCount: 3 };
    const { ensemble } = trainBoosting(matrix, target, { rounds: 30 }, seededRandom(1));
    assert.ok(share(classesOfScores(scoreRows(ensemble, matrix), 3).labels, target) > 0.99);
  });

  it('fits amounts far from zero', () => {
    const matrix = randomMatrix(1000, 2, 4);
    const values = Float64Array.from({ length: 1000 }, (_, row) => 1e6 + 100 * matrix.values[row * 2]!);
    const { ensemble } = trainBoosting(matrix, { task: 'regression', values }, { rounds: 100 }, seededRandom(1));
    const errors = scoreRows(ensemble, matrix).map((value, row) => Math.abs(value - values[row]!));
    assert.ok(errors.reduce((sum, error) => sum + error, 0) / 1000 < 5);
  });

  it('gives the same trees for the same seed, and others for another', () => {
    const options = { rounds: 5, subsample: 0.5, columnSample: 0.7 };
    assert.deepEqual(train(300, options, 3).boosted, train(300, options, 3).boosted);
    assert.notDeepEqual(train(300, options, 3).boosted.ensemble, train(300, options, 4).boosted.ensemble);
  });

  it('stops early when the target is noise, and not without rows held back', () => {
    const matrix = randomMatrix(500, 3, 5);
    const random = seededRandom(6);
    const labels = Int32Array.from({ length: 500 }, () => (random() < 0.5 ? 0 : 1));
    const target: Target = { task: 'classification', labels, classCount: 2 };
    const stopped = trainBoosting(matrix, target, { rounds: 200, patience: 10 }, seededRandom(1));
    assert.ok(stopped.stoppedEarly && stopped.rounds < 60, String(stopped.rounds));
    const all = trainBoosting(matrix, target, { rounds: 20, validation: 0 }, seededRandom(1));
    assert.deepEqual([all.rounds, all.stoppedEarly, all.ensemble.trees.length], [20, false, 20]);
  });

  it('keeps the limits of depth and of rows per leaf', () => {
    const { boosted, matrix } = train(500, { rounds: 8, maxDepth: 3, minLeafRows: 40, validation: 0 });
    for (const tree of boosted.ensemble.trees) {
      const depthOf = (node: number): number =>
        tree.feature[node]! < 0 ? 0 : 1 + Math.max(depthOf(tree.trueChild[node]!), depthOf(tree.falseChild[node]!));
      assert.ok(depthOf(0) <= 3);
      const rows = new Int32Array(tree.feature.length);
      for (let row = 0; row < matrix.rows; row++) {
        let node = 0;
        while (tree.feature[node]! >= 0) {
          const passes = matrix.values[row * 3 + tree.feature[node]!]! <= tree.threshold[node]!;
          node = passes ? tree.trueChild[node]! : tree.falseChild[node]!;
        }
        rows[node]! += 1;
      }
      for (const [node, feature] of tree.feature.entries()) assert.ok(feature >= 0 || rows[node]! >= 40);
    }
  });

  it('refuses data and options it cannot learn from', () => {
    const { matrix, target } = exclusiveOr(50, 1);
    const refused: [Matrix, Target, BoostingOptions][] = [
      [matrix, target, { rounds: 0 }],
      [matrix, target, { learningRate: 0 }],
      [matrix, target, { subsample: 1.5 }],
      [matrix, { task: 'regression', values: new Float64Array(49) }, {}],
      [matrix, { task: 'regression', values: new Float64Array(50).fill(Number.NaN) }, {}],
      [{ ...matrix, values: matrix.values.map(() => Number.NaN) }, target, {}],
      [matrix, { task: 'classification', labels: new Int32Array(50), classCount: 1 }, {}],
    ];
    for (const [data, wanted, options] of refused) {
      assert.throws(() => trainBoosting(data, wanted, options, seededRandom(1)), { code: 'INVALID_INPUT' });
    }
  });
});

describe('trainBagging', () => {
  for (const randomCuts of [false, true]) {
    it(`learns classes ${randomCuts ? 'with random cuts' : 'with the best cuts'}, and its probabilities sum to exactly 1`, () => {
      const { matrix, target } = exclusiveOr(1000, 2);
      const { ensemble } = trainBagging(matrix, target, { trees: 30, randomCuts }, seededRandom(1));
      const unseen = exclusiveOr(500, 3);
      const scores = scoreRows(ensemble, unseen.matrix);
      const labels = Int32Array.from({ length: 500 }, (_, row) => (scores[row * 2 + 1]! > scores[row * 2]! ? 1 : 0));
      assert.ok(share(labels, unseen.target) > 0.93, String(share(labels, unseen.target)));
      for (let row = 0; row < 500; row++) assert.equal(scores[row * 2]! + scores[row * 2 + 1]!, 1);
    });

    it(`learns amounts ${randomCuts ? 'with random cuts' : 'with the best cuts'}`, () => {
      const matrix = randomMatrix(1000, 3, 9);
      const values = Float64Array.from({ length: 1000 }, (_, row) => 50 + 10 * matrix.values[row * 3]!);
      const { ensemble } = trainBagging(
        matrix,
        { task: 'regression', values },
        { trees: 30, randomCuts, columnsPerSplit: 3 },
        seededRandom(1),
      );
      const errors = scoreRows(ensemble, matrix).map((value, row) => Math.abs(value - values[row]!));
      assert.ok(errors.reduce((sum, error) => sum + error, 0) / 1000 < 0.5);
    });
  }

  it('gives the same forest for the same seed and another for another', () => {
    const { matrix, target } = exclusiveOr(200, 4);
    const train = (seed: number) => trainBagging(matrix, target, { trees: 3 }, seededRandom(seed));
    assert.deepEqual(train(7), train(7));
    assert.notDeepEqual(train(7), train(8));
  });
});
