import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../core/seeded-random.ts';
import type { ClassTarget, Matrix } from '../matrix.ts';
import { minimize } from './lbfgs.ts';
import { linearScores, roundHalfEven } from './linear-model.ts';
import { trainLogistic } from './logistic.ts';
import { trainRidge } from './ridge.ts';
import { solveCholesky } from './solve.ts';

function randomMatrix(rows: number, columns: number, seed: number): Matrix {
  const random = seededRandom(seed);
  return { values: Float32Array.from({ length: rows * columns }, () => random() * 4 - 2), rows, columns };
}

describe('solveCholesky', () => {
  it('solves what it is given', () => {
    const x = solveCholesky(Float64Array.of(4, 2, 2, 3), Float64Array.of(10, 9))!;
    assert.ok(Math.abs(x[0]! - 1.5) < 1e-12 && Math.abs(x[1]! - 2) < 1e-12);
  });

  it('says when there is no single answer', () => {
    assert.equal(solveCholesky(Float64Array.of(1, 1, 1, 1), Float64Array.of(1, 1)), undefined);
  });
});

describe('trainRidge', () => {
  const matrix = randomMatrix(200, 2, 1);
  const values = Float64Array.from(
    { length: 200 },
    (_, row) => 7 + 3 * matrix.values[row * 2]! - 2 * matrix.values[row * 2 + 1]!,
  );

  it('finds the plane its points lie on', () => {
    const { weights, notes } = trainRidge(matrix, { task: 'regression', values });
    const found = [...weights.weights, ...weights.intercepts];
    for (const [i, expected] of [3, -2, 7].entries()) assert.ok(Math.abs(found[i]! - expected) < 1e-9, String(found));
    assert.deepEqual(notes, []);
  });

  it('draws weights to zero with a penalty', () => {
    const { weights } = trainRidge(matrix, { task: 'regression', values }, { l2: 1000 });
    assert.ok(weights.weights[0]! > 0 && weights.weights[0]! < 1.5);
  });

  it('answers also where one column follows from another, and says so', () => {
    const doubled = Float32Array.from({ length: 400 }, (_, i) => matrix.values[i - (i % 2)]! * (1 + (i % 2)));
    const { weights, notes } = trainRidge({ ...matrix, values: doubled }, { task: 'regression', values });
    assert.equal(notes.length, 1);
    assert.ok(weights.weights.every(Number.isFinite));
  });
});

describe('minimize', () => {
  it('finds the bottom of the Rosenbrock valley', () => {
    const found = minimize(
      ([x, y]) => ({
        value: (1 - x!) ** 2 + 100 * (y! - x! * x!) ** 2,
        gradient: Float64Array.of(-2 * (1 - x!) - 400 * x! * (y! - x! * x!), 200 * (y! - x! * x!)),
      }),
      { start: Float64Array.of(-1.2, 1), maxIterations: 200, tolerance: 1e-8 },
    );
    assert.ok(found.converged);
    assert.ok(Math.abs(found.x[0]! - 1) < 1e-6 && Math.abs(found.x[1]! - 1) < 1e-6);
  });

  it('says when it did not converge', () => {
    const slow = minimize(([x]) => ({ value: x! ** 4, gradient: Float64Array.of(4 * x! ** 3) }), {
      start: Float64Array.of(10),
      maxIterations: 2,
      tolerance: 1e-12,
    });
    assert.deepEqual([slow.converged, slow.iterations], [false, 2]);
  });
});

describe('trainLogistic', () => {
  for (const classCount of [2, 3]) {
    it(`ends where no small step lowers the penalized loss, for ${classCount} classes`, () => {
      const matrix = randomMatrix(150, 2, 2);
      const random = seededRandom(3);
      const labels = Int32Array.from({ length: 150 }, (_, row) =>
        random() < 0.3
          ? Math.floor(random() * classCount)
          : Math.min(classCount - 1, Math.floor(matrix.values[row * 2]! + 2)),
      );
      const target: ClassTarget = {
        task: 'classification',
        labels: labels.map((label) => Math.min(label, classCount - 1)),
        classCount,
      };
      const { weights, notes } = trainLogistic(matrix, target, { l2: 0.5 });
      assert.match(notes[0]!, /^Converged/);
      const lossOf = (change: number, at: number): number => {
        const moved = {
          ...weights,
          weights: weights.weights.map((weight, i) => (i === at ? weight + change : weight)),
        };
        const scores = linearScores(moved, matrix);
        let loss = moved.weights.reduce((sum, weight) => sum + 0.25 * weight * weight, 0);
        for (let row = 0; row < 150; row++) {
          const own = classCount === 2 ? [0, scores[row]!] : [...scores.subarray(row * 3, row * 3 + 3)];
          loss += Math.log(own.reduce((sum, score) => sum + Math.exp(score), 0)) - own[target.labels[row]!]!;
        }
        return loss;
      };
      for (let at = 0; at < weights.weights.length; at++) {
        const slope = (lossOf(1e-4, at) - lossOf(-1e-4, at)) / 2e-4;
        assert.ok(Math.abs(slope) < 1e-3, `slope ${slope}`);
        assert.ok(lossOf(0.05, at) > lossOf(0, at) && lossOf(-0.05, at) > lossOf(0, at));
      }
    });
  }
});

describe('roundHalfEven', () => {
  it('rounds halves to the even neighbour and all else to the nearest', () => {
    assert.deepEqual(
      [0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map(roundHalfEven),
      [0, 2, 2, -0, -2, 2, 3].map((x) => x + 0),
    );
    fc.assert(
      fc.property(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), (x) => Math.abs(roundHalfEven(x) - x) <= 0.5),
    );
  });
});
