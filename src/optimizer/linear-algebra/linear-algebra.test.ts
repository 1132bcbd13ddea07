import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../core/seeded-random.ts';
import { factorCholesky, factorCholeskyGently, solveCholesky } from './cholesky.ts';
import { addCross, addGram, mirrorUpper } from './gram.ts';
import { solveRidge } from './ridge.ts';

const random = seededRandom(7);
const normals = (count: number): Float32Array =>
  Float32Array.from({ length: count }, () => random() + random() + random() - 1.5);

/** A' B by the definition. */
function product(a: ArrayLike<number>, b: ArrayLike<number>, rows: number, p: number, q: number): Float64Array {
  return Float64Array.from({ length: p * q }, (_, at) => {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += a[row * p + Math.floor(at / q)]! * b[row * q + (at % q)]!;
    return sum;
  });
}

function close(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.equal(found.length, expected.length);
  for (let i = 0; i < found.length; i++) {
    assert.ok(Math.abs(found[i]! - expected[i]!) <= tolerance, `${i}: ${found[i]} against ${expected[i]}`);
  }
}

function gramOf(rows: Float32Array, count: number, width: number): Float64Array {
  const gram = new Float64Array(width * width);
  addGram(gram, rows, count, width);
  mirrorUpper(gram, width);
  return gram;
}

describe('sums of products', () => {
  it('are those of the definition, in pieces of any size', () => {
    const [rows, p, q] = [11, 5, 3];
    const x = normals(rows * p);
    const y = normals(rows * q);
    x.fill(0, p, 2 * p);
    const gram = new Float64Array(p * p);
    addGram(gram, x.subarray(0, 7 * p), 7, p);
    addGram(gram, x.subarray(7 * p), 4, p);
    mirrorUpper(gram, p);
    close(gram, product(x, x, rows, p, p), 1e-12);
    const cross = new Float64Array(p * q);
    addCross(cross, x.subarray(0, 2 * p), y.subarray(0, 2 * q), 2, p, q);
    addCross(cross, x.subarray(2 * p), y.subarray(2 * q), 9, p, q);
    close(cross, product(x, y, rows, p, q), 1e-12);
  });
});

describe('Cholesky factors', () => {
  for (const size of [1, 2, 31, 32, 33, 67, 100, 600]) {
    it(`of ${size} x ${size} give the matrix back and solve with it`, async () => {
      const count = size + 20;
      const gram = gramOf(normals(count * size), count, size);
      const lower = gram.slice();
      assert.equal(factorCholesky(lower, size), true);
      for (let i = 0; i < size; i += Math.ceil(size / 40)) {
        for (let j = 0; j <= i; j++) {
          let sum = 0;
          for (let k = 0; k <= j; k++) sum += lower[i * size + k]! * lower[j * size + k]!;
          assert.ok(Math.abs(sum - gram[i * size + j]!) < 1e-9 * count, `${i} ${j}`);
        }
      }
      const again = gram.slice();
      assert.equal(await factorCholeskyGently(again, size, async () => {}), true);
      assert.deepEqual(again, lower);
      if (size > 100) return;
      const weights = Float64Array.from(normals(size * 3));
      const b = product(gram, weights, size, size, 3);
      solveCholesky(lower, size, b, 3);
      close(b, weights, 1e-5);
    });
  }

  it('say when the matrix is not positive definite', () => {
    assert.equal(factorCholesky(Float64Array.of(1, 2, 2, 1), 2), false);
    assert.equal(factorCholesky(Float64Array.of(Number.NaN), 1), false);
    assert.equal(factorCholesky(new Float64Array(9), 3), false);
  });
});

describe('ridge regression', () => {
  it('finds the weights that made the answers', () => {
    const [rows, p, q] = [60, 12, 4];
    const x = normals(rows * p);
    const weights = Float64Array.from(normals(p * q));
    const y = new Float64Array(rows * q);
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < p; i++) {
        for (let j = 0; j < q; j++) y[row * q + j] = y[row * q + j]! + x[row * p + i]! * weights[i * q + j]!;
      }
    }
    close(solveRidge(gramOf(x, rows, p), p, product(x, y, rows, p, q), q, 1e-9), weights, 1e-6);
  });

  it('survives fewer rows than inputs, inputs that are never seen, and no rows at all', () => {
    const [rows, p] = [3, 8];
    const x = normals(rows * p);
    for (let row = 0; row < rows; row++) x[row * p + 5] = 0;
    const y = Float64Array.of(1, 2, 3);
    const weights = solveRidge(gramOf(x, rows, p), p, product(x, y, rows, p, 1), 1, 1e-8);
    assert.equal(weights[5], 0);
    for (let row = 0; row < rows; row++) {
      let answer = 0;
      for (let i = 0; i < p; i++) answer += x[row * p + i]! * weights[i]!;
      assert.ok(Math.abs(answer - y[row]!) < 1e-3, `${answer} against ${y[row]}`);
    }
    assert.deepEqual(solveRidge(new Float64Array(4), 2, Float64Array.of(0, 0), 1), new Float64Array(2));
  });
});
