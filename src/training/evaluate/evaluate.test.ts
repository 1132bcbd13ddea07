import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { seededRandom } from '../../core/seeded-random.ts';
import type { ClassPrediction, ClassTarget, Matrix, Target } from '../matrix.ts';
import type { ModelOptions, Trainer } from '../train-model.ts';
import { trainModel } from '../train-model.ts';
import { findLeaks, importances } from './importance.ts';
import { baselinePrediction, confusionOf, measure } from './metrics.ts';
import { searchOptions } from './search.ts';
import { splitRows } from './split.ts';

const classes = (labels: readonly number[], classCount = 2): ClassTarget => ({
  task: 'classification',
  labels: Int32Array.from(labels),
  classCount,
});

function predicted(probabilities: readonly number[]): ClassPrediction {
  const labels = Int32Array.from(probabilities, (share) => (share > 0.5 ? 1 : 0));
  const both = Float32Array.from(probabilities.flatMap((share) => [1 - share, share]));
  return { task: 'classification', labels, probabilities: both };
}

describe('measure', () => {
  it('gives the figures of a worked example', () => {
    const metrics = measure(predicted([0.9, 0.4, 0.6, 0.2]), classes([1, 1, 0, 0]));
    assert.ok('accuracy' in metrics);
    assert.deepEqual([metrics.accuracy, metrics.macroF1, metrics.auc], [0.5, 0.5, 0.75]);
    const expected = -(Math.log(0.9) + Math.log(0.4) + Math.log(0.4) + Math.log(0.8)) / 4;
    assert.ok(Math.abs(metrics.logLoss - expected) < 1e-6);
  });

  it('counts ties half in the area under the curve', () => {
    const metrics = measure(predicted([0.5, 0.5, 0.5]), classes([1, 0, 0]));
    assert.ok('auc' in metrics && metrics.auc === 0.5);
  });

  it('agrees with counting all pairs', () => {
    const row = fc.tuple(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 1 }));
    fc.assert(
      fc.property(fc.array(row, { minLength: 2, maxLength: 30 }), (rows) => {
        const metrics = measure(predicted(rows.map(([score]) => score / 8)), classes(rows.map(([, label]) => label)));
        const of = (wanted: number) => rows.filter(([, label]) => label === wanted).map(([score]) => score);
        const pairs = of(1).flatMap((a) => of(0).map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
        const expected = pairs.length === 0 ? undefined : pairs.reduce((sum: number, x) => sum + x, 0) / pairs.length;
        assert.ok('accuracy' in metrics);
        if (expected === undefined) assert.equal(metrics.auc, undefined);
        else assert.ok(Math.abs(metrics.auc! - expected) < 1e-12);
      }),
    );
  });

  it('measures errors of amounts', () => {
    const target: Target = { task: 'regression', values: Float64Array.of(1, 2, 3, 4) };
    const metrics = measure({ task: 'regression', values: Float32Array.of(1, 2, 3, 6) }, target);
    assert.deepEqual(metrics, { rmse: 1, mae: 0.5, r2: 1 - 4 / 5 });
    const mean = measure(baselinePrediction(target, 4), target);
    assert.ok('r2' in mean && Math.abs(mean.r2) < 1e-12);
  });

  it('counts true classes by row and predicted ones by column', () => {
    assert.deepEqual(confusionOf(predicted([0.9, 0.4, 0.6]), classes([1, 1, 0])), [
      [0, 1],
      [1, 1],
    ]);
  });
});

describe('splitRows', () => {
  it('puts every row into one part, and of each class its share', () => {
    const labels = Array.from({ length: 110 }, (_, row) => (row < 100 ? 0 : 1));
    const rows = Int32Array.from(labels.keys());
    const { train, test } = splitRows(rows, classes(labels), 0.2, seededRandom(1));
    assert.deepEqual(
      [...train, ...test].sort((a, b) => a - b),
      [...rows],
    );
    assert.deepEqual([test.length, test.filter((row) => row >= 100).length], [22, 2]);
    assert.notDeepEqual(splitRows(rows, classes(labels), 0.2, seededRandom(2)).test, test);
  });

  it('keeps a class of one row to learn from', () => {
    const { train } = splitRows(Int32Array.of(0, 1, 2, 3), classes([0, 0, 0, 1]), 0.9, seededRandom(1));
    assert.ok(train.includes(3));
  });
});

/** Column 0 tells the class with noise, column 1 is noise, column 2 is the class itself. */
function leakyData(rows: number): { matrix: Matrix; target: ClassTarget } {
  const random = seededRandom(5);
  const labels = Int32Array.from({ length: rows }, () => (random() < 0.5 ? 0 : 1));
  const values = Float32Array.from({ length: rows * 3 }, (_, i) => {
    const label = labels[Math.floor(i / 3)]!;
    return i % 3 === 0 ? label + random() * 2 : i % 3 === 1 ? random() : label * 10;
  });
  return { matrix: { values, rows, columns: 3 }, target: { task: 'classification', labels, classCount: 2 } };
}

const names = ['useful', 'noise', 'leak'].map((name) => ({ source: name, label: name }));

describe('findLeaks', () => {
  it('names the column that tells the target, and no other', () => {
    const { matrix, target } = leakyData(400);
    const leaks = findLeaks(names, matrix, target, matrix, target, seededRandom(1));
    assert.deepEqual(leaks, [{ name: 'leak', score: 1 }]);
  });
});

describe('importances', () => {
  it('puts the column first without which the model is lost', () => {
    const { matrix, target } = leakyData(400);
    const two = { ...matrix, columns: 2, values: matrix.values.filter((_, i) => i % 3 < 2) };
    const model = trainModel('boost', two, target, { rounds: 20 }, seededRandom(1));
    const found = importances(model, names.slice(0, 2), two, target, 'accuracy', seededRandom(1));
    assert.deepEqual(
      found.map(({ name }) => name),
      ['useful', 'noise'],
    );
    assert.ok(found[0]!.permutation > 0.1 && found[0]!.share! > 0.5);
    assert.ok(Math.abs(found[0]!.share! + found[1]!.share! - 1) < 1e-9);
  });
});

describe('searchOptions', () => {
  it('keeps what is fixed and gives the same answer for the same seed', async () => {
    const { matrix, target } = leakyData(200);
    const search = () =>
      searchOptions('boost', matrix, target, { trials: 3, metric: 'logLoss', fixed: { rounds: 5 } }, seededRandom(2));
    assert.deepEqual(await search(), await search());
    assert.equal((await search()).options.rounds, 5);
  });

  it('passes over drawn options that cannot be learned with, but not over the first ones', async () => {
    const { matrix, target } = leakyData(200);
    const model = trainModel('boost', matrix, target, { rounds: 5 }, seededRandom(1));
    const asked: ModelOptions[] = [];
    const failing = (works: (trial: number) => boolean): Trainer => {
      asked.length = 0;
      return async ({ options }) => {
        asked.push(options);
        if (works(asked.length - 1)) return model;
        throw new HotpathError('INVALID_INPUT', 'Training diverged.');
      };
    };
    const search = (mlp: Trainer) => {
      const options = { trials: 4, metric: 'logLoss', fixed: { patience: 3 }, trainers: { mlp } } as const;
      return searchOptions('mlp', matrix, target, options, seededRandom(2));
    };
    const found = await search(failing((trial) => trial === 0 || trial === 2));
    assert.deepEqual([asked.length, asked[0], found.options], [4, { patience: 3 }, { patience: 3 }]);
    assert.ok(asked.slice(1).every(({ hidden, learningRate }) => hidden!.length > 0 && learningRate! <= 0.02));
    await assert.rejects(search(failing((trial) => trial > 0)), /Training diverged/);
    const without = { trials: 2, metric: 'logLoss', fixed: {} } as const;
    await assert.rejects(searchOptions('mlp', matrix, target, without, seededRandom(2)), /there is no trainer for it/);
    await assert.rejects(
      search(async () => {
        throw new HotpathError('CANCELLED', 'Interrupted.');
      }),
      /Interrupted/,
    );
  });
});
