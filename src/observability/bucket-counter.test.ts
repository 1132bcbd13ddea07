import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BucketCounter, durationBoundsMs, durationBoundsSeconds, rowBounds } from './bucket-counter.ts';

test('duration bounds go from 0.5 ms to 10 s in steps of about 1.5', () => {
  assert.equal(durationBoundsSeconds[0], 0.0005);
  assert.deepEqual(durationBoundsSeconds.slice(0, 5), [0.0005, 0.00075, 0.00113, 0.00169, 0.00253]);
  assert.equal(durationBoundsSeconds.at(-1), 10);
  for (let i = 1; i < durationBoundsMs.length; i++) {
    const ratio = (durationBoundsMs[i] as number) / (durationBoundsMs[i - 1] as number);
    assert.ok(ratio > 1.15 && ratio < 1.52, `step ${i} is ${ratio}`);
  }
});

test('row bounds are the powers of two up to 4096', () => {
  assert.deepEqual(rowBounds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]);
});

test('a value lands in the first bucket whose bound it does not exceed', () => {
  const value = fc.oneof(
    fc.double({ min: 0, max: 20_000, noNaN: true }),
    fc.constantFrom(...durationBoundsMs),
    fc.constantFrom(...durationBoundsMs.map((bound) => bound * (1 + Number.EPSILON))),
  );
  fc.assert(
    fc.property(value, (ms) => {
      const counter = new BucketCounter(durationBoundsMs);
      counter.observe(ms);
      const scanned = durationBoundsMs.findIndex((bound) => ms <= bound);
      const expected = scanned === -1 ? durationBoundsMs.length : scanned;
      assert.equal(counter.counts.indexOf(1), expected);
      assert.equal(counter.count, 1);
      assert.equal(counter.sum, ms);
    }),
  );
});

test('what is not a positive number counts as zero and leaves the sum finite', () => {
  const counter = new BucketCounter(rowBounds);
  for (const value of [Number.NaN, -1, 0, Number.NEGATIVE_INFINITY]) counter.observe(value);
  assert.equal(counter.counts[0], 4);
  assert.equal(counter.sum, 0);
});
