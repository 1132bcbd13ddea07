import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../core/seeded-random.ts';
import { Histogram } from './histogram.ts';
import { entropyRange, leastSquaresRange, percentileRange } from './thresholds.ts';

/** Roughly normal values. */
function bell(count: number, spread = 1, seed = 1): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => {
    let sum = 0;
    for (let i = 0; i < 12; i++) sum += random();
    return (sum - 6) * spread;
  });
}

function histogramOf(...parts: ArrayLike<number>[]): Histogram {
  const histogram = new Histogram();
  for (const part of parts) histogram.add(part);
  return histogram;
}

describe('a histogram', () => {
  it('counts every value once, near where it is, however its range grows', () => {
    const value = fc.float({ min: -1000, max: 1000, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(fc.array(value, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 8 }),
        (parts) => {
          const histogram = histogramOf(...parts);
          const all = parts.flat();
          assert.equal(
            histogram.counts.reduce((sum, count) => sum + count),
            all.length,
          );
          assert.deepEqual(histogram.range, { min: Math.min(...all), max: Math.max(...all) });
          const sorted = all.toSorted((a, b) => a - b);
          let rank = 0;
          for (const [bin, count] of histogram.counts.entries()) {
            for (let i = 0; i < count; i++, rank++) {
              const low = histogram.start + bin * histogram.width;
              const room = histogram.width * 1e-3 + 1e-9;
              assert.ok(sorted[rank]! >= low - room && sorted[rank]! <= low + histogram.width + room);
            }
          }
        },
      ),
    );
  });

  it('keeps at least half its bins busy when a range doubles again and again', () => {
    const histogram = new Histogram();
    for (let reach = 1; reach < 5000; reach *= 1.7) histogram.add([-reach, reach]);
    const { min, max } = histogram.range;
    assert.ok((max - min) / histogram.width >= histogram.counts.length / 4);
  });

  it('takes constants, zeros and nothing', () => {
    assert.deepEqual(histogramOf([]).range, { min: 0, max: 0 });
    for (const constant of [0, 5, -1e-20, 1e30]) {
      const histogram = histogramOf([constant, constant]);
      assert.deepEqual(percentileRange(histogram, 99.999), { min: constant, max: constant });
      assert.deepEqual(leastSquaresRange(histogram), { min: constant, max: constant });
    }
  });
});

describe('thresholds', () => {
  it('by percentile leave out the few beyond it and keep the rest', () => {
    const histogram = histogramOf(bell(100_000), [50, -40]);
    const { min, max } = percentileRange(histogram, 99.99);
    assert.ok(max > 3 && max < 6 && min < -3 && min > -6, `${min} ${max}`);
    assert.deepEqual(percentileRange(histogram, 100), { min: -40, max: 50 });
  });

  for (const [name, choose] of [
    ['least squares', leastSquaresRange],
    ['entropy', entropyRange],
  ] as const) {
    it(`by ${name} cut off a lone outlier, on the side where it is`, () => {
      const { min, max } = choose(histogramOf(bell(100_000), [200]));
      assert.ok(max < 190 && max > 2.5, `max ${max}`);
      assert.ok(min < -2.5, `min ${min}`);
    });

    it(`by ${name} stay within the range seen`, () => {
      const seen = histogramOf(bell(20_000).map(Math.abs));
      const { min, max } = choose(seen);
      assert.ok(min >= seen.range.min && max <= seen.range.max && max > 1.5);
    });
  }

  it('by least squares keep an even distribution whole', () => {
    const random = seededRandom(3);
    const histogram = histogramOf(Float32Array.from({ length: 50_000 }, () => random() * 2 - 1));
    const { min, max } = leastSquaresRange(histogram);
    assert.ok(max > 0.97 && min < -0.97, `${min} ${max}`);
  });
});
