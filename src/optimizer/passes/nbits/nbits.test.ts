import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../core/seeded-random.ts';
import { addGram } from '../../linear-algebra/gram.ts';
import type { BlockCodes } from './block-codes.ts';
import { roundToNearest } from './block-codes.ts';
import type { BlockSettings } from './block-scales.ts';
import { roundGptq } from './gptq-round.ts';
import { InputMoments } from './input-moments.ts';

const multiply = async (a: Float32Array, b: Float32Array, k: number, m: number, n: number): Promise<Float32Array> =>
  Float32Array.from({ length: m * n }, (_, at) => {
    let sum = 0;
    for (let i = 0; i < k; i++) sum += a[i * m + Math.floor(at / n)]! * b[i * n + (at % n)]!;
    return sum;
  });
const noPause = async (): Promise<void> => {};

function normals(count: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => random() + random() + random() - 1.5);
}

/** Squared error of the layer's results over rows of inputs. */
function outputError(codes: BlockCodes, weights: Float32Array, inputs: Float32Array): number {
  const { inner, outer } = codes;
  let total = 0;
  for (let row = 0; row < inputs.length / inner; row++) {
    for (let n = 0; n < outer; n++) {
      let error = 0;
      for (let k = 0; k < inner; k++) {
        error += inputs[row * inner + k]! * (weights[k * outer + n]! - codes.valueAt(k, n));
      }
      total += error * error;
    }
  }
  return total;
}

const settings = fc.record<BlockSettings>({
  bits: fc.constantFrom(4, 8),
  blockSize: fc.constantFrom(16, 32, 64, 128),
  symmetric: fc.boolean(),
  scaleSearch: fc.constantFrom('max', 'mse'),
});

describe('block codes', () => {
  it('by largest weight keep every weight within half a step, or a step at the end of the range', () => {
    fc.assert(
      fc.property(settings, fc.integer({ min: 1, max: 70 }), fc.integer(), (some, inner, seed) => {
        const outer = 3;
        const weights = normals(inner * outer, seed);
        const codes = roundToNearest(weights, inner, outer, { ...some, scaleSearch: 'max' });
        for (let k = 0; k < inner; k++) {
          for (let n = 0; n < outer; n++) {
            const step = Math.abs(codes.scales[Math.floor(k / some.blockSize) * outer + n]!);
            const error = Math.abs(codes.valueAt(k, n) - weights[k * outer + n]!);
            assert.ok(error <= step * (some.symmetric ? 1.001 : 0.501) + 1e-6, `${error} of ${step}`);
          }
        }
      }),
    );
  });

  it('of a searched scale have no greater squared error than by largest weight', () => {
    fc.assert(
      fc.property(settings, fc.integer(), (some, seed) => {
        const weights = normals(64 * 2, seed);
        const error = (codes: BlockCodes): number =>
          weights.reduce((sum, weight, at) => sum + (weight - codes.valueAt(at >> 1, at % 2)) ** 2, 0);
        const searched = error(roundToNearest(weights, 64, 2, { ...some, scaleSearch: 'mse' }));
        assert.ok(searched <= error(roundToNearest(weights, 64, 2, { ...some, scaleSearch: 'max' })) * (1 + 1e-6));
      }),
    );
  });

  it('leave zeros exactly zero and give blocks of zeros the scale 1', () => {
    for (const symmetric of [true, false]) {
      const weights = Float32Array.of(0, 1, 0, -3, 0, 0.5, 0, 0.25);
      const codes = roundToNearest(weights, 4, 2, { bits: 4, blockSize: 16, symmetric, scaleSearch: 'mse' });
      assert.equal(codes.scales[0], 1);
      for (let k = 0; k < 4; k++) assert.equal(codes.valueAt(k, 0), 0);
    }
  });

  it('are packed low half first, a short block filled up with zero weights', () => {
    const weights = Float32Array.of(-8, 7, 1, 0, 3);
    const codes = roundToNearest(weights, 5, 1, { bits: 4, blockSize: 16, symmetric: true, scaleSearch: 'max' });
    assert.deepEqual([...codes.packedCodes()], [0xf0, 0x89, 0x8b, 0x88, 0x88, 0x88, 0x88, 0x88]);
    assert.deepEqual([...codes.packedScales()], [1]);
    assert.equal(codes.packedZeros(), undefined);
    const asymmetric = roundToNearest(
      Float32Array.from({ length: 17 }, (_, i) => i - 1),
      17,
      1,
      {
        bits: 4,
        blockSize: 16,
        symmetric: false,
        scaleSearch: 'max',
      },
    );
    assert.deepEqual([...asymmetric.packedZeros()!], [0x01]);
  });
});

describe('GPTQ', () => {
  const [inner, outer, rows] = [150, 6, 400];
  const weights = normals(inner * outer, 1);
  // Inputs that depend on each other, as those of real layers do.
  const causes = normals(rows * 20, 2);
  const mix = normals(20 * inner, 3);
  const noise = normals(rows * inner, 4);
  const inputs = Float32Array.from({ length: rows * inner }, (_, at) => {
    let sum = noise[at]! * 0.3;
    for (let i = 0; i < 20; i++) sum += causes[Math.floor(at / inner) * 20 + i]! * mix[i * inner + (at % inner)]!;
    return sum;
  });
  const gram = new Float64Array(inner * inner);
  addGram(gram, inputs, rows, inner);

  for (const actOrder of [false, true]) {
    for (const symmetric of [true, false]) {
      it(`answers better than rounding to nearest (act order ${actOrder}, symmetric ${symmetric})`, async () => {
        const block: BlockSettings = { bits: 4, blockSize: 32, symmetric, scaleSearch: 'max' };
        const nearest = outputError(roundToNearest(weights, inner, outer, block), weights, inputs);
        const options = { ...block, damping: 0.01, actOrder };
        const codes = await roundGptq(weights, inner, outer, gram, options, multiply, noPause);
        const found = outputError(codes, weights, inputs);
        assert.ok(found < nearest / 4, `${found} against ${nearest}`);
      });
    }
  }

  it('is rounding to nearest where inputs have nothing to do with each other, or were never seen', async () => {
    const block: BlockSettings = { bits: 4, blockSize: 16, symmetric: true, scaleSearch: 'max' };
    const nearest = roundToNearest(weights, inner, outer, block);
    for (const fill of [0, 1, Number.NaN]) {
      const diagonal = new Float64Array(inner * inner);
      for (let i = 0; i < inner; i++) diagonal[i * inner + i] = fill;
      const options = { ...block, damping: 0, actOrder: false };
      const codes = await roundGptq(weights, inner, outer, diagonal, options, multiply, noPause);
      assert.deepEqual(codes.codes, nearest.codes);
    }
  });

  it('ends with what its caller throws between blocks', async () => {
    const options = {
      bits: 4,
      blockSize: 16,
      symmetric: true,
      scaleSearch: 'max',
      damping: 0.01,
      actOrder: false,
    } as const;
    const stop = async (): Promise<void> => {
      throw new Error('enough');
    };
    await assert.rejects(roundGptq(weights, inner, outer, gram, options, multiply, stop), /enough/);
  });
});

describe('moments of inputs', () => {
  /** Sum of squares off the diagonal against that on it. */
  function correlation(gram: Float64Array, width: number): number {
    let [off, on] = [0, 0];
    for (let i = 0; i < width; i++) {
      on += gram[i * width + i]! ** 2;
      for (let j = i + 1; j < width; j++) off += gram[i * width + j]! ** 2;
    }
    return off / on;
  }

  it('forget what is chance in a small sample of independent features', () => {
    const [rows, width] = [60, 40];
    const x = normals(rows * width, 8);
    const raw = new Float64Array(width * width);
    addGram(raw, x, rows, width);
    const moments = new InputMoments(width);
    moments.add(x, rows);
    assert.ok(correlation(moments.finish(), width) < correlation(raw, width) / 20);
  });

  it('keep what features really share, and every square', () => {
    const [rows, width] = [60, 40];
    const noise = normals(rows * width, 9);
    const cause = normals(rows, 10);
    const x = noise.map((value, at) => cause[Math.floor(at / width)]! + 0.2 * value);
    const raw = new Float64Array(width * width);
    addGram(raw, x, rows, width);
    const moments = new InputMoments(width);
    moments.add(x.subarray(0, 20 * width), 20);
    moments.add(x.subarray(20 * width), 40);
    const kept = moments.finish();
    assert.ok(correlation(kept, width) > 0.85 * correlation(raw, width));
    for (let i = 0; i < width; i++) {
      assert.ok(Math.abs(kept[i * width + i]! - raw[i * width + i]!) < 1e-9 * raw[i * width + i]!);
    }
  });

  it('of no rows are zeros', () => {
    assert.deepEqual(new InputMoments(3).finish(), new Float64Array(9));
  });
});
