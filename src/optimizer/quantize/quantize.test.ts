import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  asymmetric,
  coveredRange,
  dequantize,
  int8Levels,
  quantizeInto,
  quantizeNumber,
  reducedInt8Levels,
  symmetric,
  uint8Levels,
} from './affine.ts';
import { biasScales, quantizeBias, scalesForBias } from './bias.ts';
import { channelAbsMax, channelScales, channelView, dequantizeChannels, quantizeChannels } from './per-channel.ts';
import { roundHalfEven } from './round.ts';
import { sqnrDb } from './sqnr.ts';

const finite = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e6), max: Math.fround(1e6) });

describe('rounding', () => {
  it('takes halves to the even neighbour, on both sides of zero', () => {
    const halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5];
    assert.deepEqual(
      halves.map(roundHalfEven).map((value) => value + 0),
      [-2, -2, 0, 0, 2, 2, 4],
    );
    assert.equal(roundHalfEven(0.49999999999999994), 0);
    assert.ok(Number.isNaN(roundHalfEven(Number.NaN)));
    assert.equal(roundHalfEven(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  });
});

describe('asymmetric uint8', () => {
  it('gives zero an exact place and errs by half a step at most inside the range', () => {
    fc.assert(
      fc.property(finite, finite, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, share) => {
        const range = { min: Math.min(a, b), max: Math.max(a, b) };
        const affine = asymmetric(range);
        assert.equal((quantizeNumber(0, affine, uint8Levels) - affine.zeroPoint) * affine.scale, 0);
        const value = range.min + share * (range.max - range.min);
        const back = (quantizeNumber(value, affine, uint8Levels) - affine.zeroPoint) * affine.scale;
        // At the ends the rounded zero point may cost half a step more.
        assert.ok(Math.abs(back - value) <= affine.scale * 1.001, `${value} became ${back}`);
      }),
    );
  });

  it('includes zero in ranges that lie aside of it, and survives empty and absurd ones', () => {
    assert.deepEqual(asymmetric({ min: 2, max: 5.1 }), { scale: Math.fround(0.02), zeroPoint: 0 });
    assert.equal(asymmetric({ min: -5.1, max: -2 }).zeroPoint, 255);
    assert.deepEqual(asymmetric({ min: 0, max: 0 }), { scale: 1, zeroPoint: 0 });
    assert.deepEqual(asymmetric({ min: 0, max: 1e-40 }), { scale: 1, zeroPoint: 0 });
    assert.deepEqual(coveredRange({ scale: 0.5, zeroPoint: 100 }), { min: -50, max: 77.5 });
  });

  it('clamps what lies outside, and NaN to the lowest level', () => {
    const affine = { scale: 0.1, zeroPoint: 10 };
    const values = [-100, -1, 0, 0.25, 24.5, 100, Number.NaN];
    const quantized = quantizeInto(values, affine, uint8Levels, new Uint8Array(7));
    assert.deepEqual([...quantized], [0, 0, 10, 12, 255, 255, 0]);
    assert.deepEqual(
      [...dequantize([0, 10, 255], affine)].map((value) => Math.round(value * 10)),
      [-10, 0, 245],
    );
  });
});

describe('symmetric int8', () => {
  it('never uses -128, and 7 bits stay within 64', () => {
    const affine = symmetric(2);
    assert.deepEqual([...quantizeInto([-2, 0, 2, -3], affine, int8Levels, new Int8Array(4))], [-127, 0, 127, -127]);
    const reduced = symmetric(2, reducedInt8Levels);
    assert.deepEqual([...quantizeInto([-2, 2], reduced, reducedInt8Levels, new Int8Array(2))], [-64, 64]);
  });
});

describe('channels', () => {
  it('have their own scales along any axis', () => {
    const values = [1, -10, 2, 20, -3, 30];
    const last = channelView([3, 2], -1);
    assert.deepEqual([...channelAbsMax(values, last)], [3, 30]);
    assert.deepEqual([...quantizeChannels(values, last, channelScales([3, 30]))], [42, -42, 85, 85, -127, 127]);
    const first = channelView([3, 2], 0);
    assert.deepEqual([...channelAbsMax(values, first)], [10, 20, 30]);
    assert.deepEqual(channelView([4, 3, 5, 5], 1), { outer: 4, channels: 3, inner: 25 });
  });

  it('come back within half a step', () => {
    fc.assert(
      fc.property(
        fc.array(finite, { minLength: 12, maxLength: 12 }),
        fc.integer({ min: 0, max: 2 }),
        (values, axis) => {
          const view = channelView([2, 3, 2], axis);
          const scales = channelScales(channelAbsMax(values, view));
          const back = dequantizeChannels(quantizeChannels(values, view, scales), view, scales);
          const widest = Math.max(...scales);
          for (const [index, value] of values.entries()) {
            assert.ok(
              Math.abs(back[index]! - value) <= widest * 0.5001 || widest === 1,
              `${value} became ${back[index]}`,
            );
          }
        },
      ),
    );
  });

  it('that are all zero get scale 1 and stay zero', () => {
    const view = channelView([2, 2], 0);
    const scales = channelScales(channelAbsMax([0, 0, 1, -1], view));
    assert.equal(scales[0], 1);
    assert.deepEqual([...quantizeChannels([0, 0, 1, -1], view, scales)], [0, 0, 127, -127]);
  });
});

describe('bias', () => {
  it('is stored in steps of input scale times weight scale', () => {
    const scales = Float32Array.of(0.5, 0.25);
    assert.equal(scalesForBias(scales, 0.5, [1, -1]), scales);
    assert.deepEqual([...quantizeBias([1, -1], biasScales(scales, 0.5))], [4, -8]);
  });

  it('that would overflow raises the weight scale of its channel only', () => {
    const scales = scalesForBias(Float32Array.of(1e-9, 0.25), 1e-3, [5, 5]);
    assert.equal(scales[1], 0.25);
    const quantized = quantizeBias([5, 5], biasScales(scales, 1e-3));
    assert.ok(quantized[0]! < 2 ** 31 - 1 && quantized[0]! > 2 ** 29);
    assert.ok(Math.abs(quantized[0]! * biasScales(scales, 1e-3)[0]! - 5) < 1e-4);
    const single = scalesForBias(Float32Array.of(1e-9), 1e-3, [5, 5]);
    assert.ok(quantizeBias([5, 5], biasScales(single, 1e-3)).every((value) => value < 2 ** 31 - 1));
  });
});

describe('SQNR', () => {
  it('is 20 dB per tenth of the error', () => {
    assert.ok(Math.abs(sqnrDb([1, 2, 2], [1.1, 2, 2]) - 10 * Math.log10(900)) < 1e-9);
    assert.equal(sqnrDb([1], [1]), Number.POSITIVE_INFINITY);
    assert.equal(sqnrDb([0], [1]), Number.NEGATIVE_INFINITY);
    assert.equal(sqnrDb([1, 2], [1]), Number.NEGATIVE_INFINITY);
    assert.equal(sqnrDb([1], [Number.NaN]), Number.NEGATIVE_INFINITY);
  });
});
