import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LatencyHistogram } from './histogram.ts';

const HOUR_US = 3_600_000_000;
const percents = [1, 10, 25, 50, 75, 90, 95, 99, 99.9];

/** Spread over all magnitudes, as latencies are: 1 us to about an hour. */
const latencies = fc.array(
  fc.double({ min: 0, max: Math.log(HOUR_US), noNaN: true }).map((x) => Math.min(Math.exp(x), HOUR_US)),
  { minLength: 1, maxLength: 300 },
);

function recorded(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

function exactPercentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil((percent / 100) * sorted.length)) - 1] as number;
}

test('every percentile is within 0.1 % or one microsecond of the exact one', () => {
  fc.assert(
    fc.property(latencies, (values) => {
      const histogram = recorded(values);
      for (const percent of percents) {
        const exact = exactPercentile(values, percent);
        const error = Math.abs(histogram.percentile(percent) - exact);
        assert.ok(error <= Math.max(1, exact / 1000), `p${percent}: off by ${error} of ${exact}`);
      }
    }),
  );
});

test('percentiles never fall as the percentage rises, and stay between minimum and maximum', () => {
  fc.assert(
    fc.property(latencies, (values) => {
      const histogram = recorded(values);
      const series = [0, ...percents, 100].map((percent) => histogram.percentile(percent));
      for (let i = 1; i < series.length; i++) assert.ok((series[i] as number) >= (series[i - 1] as number));
      assert.equal(series[0], Math.min(...values));
      assert.equal(series.at(-1), Math.max(...values));
    }),
  );
});

test('merging gives what recording into one would have given', () => {
  fc.assert(
    fc.property(latencies, latencies, (left, right) => {
      const merged = recorded(left);
      merged.merge(recorded(right));
      const whole = recorded([...left, ...right]);
      assert.equal(merged.count, whole.count);
      assert.equal(merged.min, whole.min);
      assert.equal(merged.max, whole.max);
      assert.ok(Math.abs(merged.mean - whole.mean) <= whole.mean * 1e-12);
      for (const percent of percents) assert.equal(merged.percentile(percent), whole.percentile(percent));
    }),
  );
});

test('the data form restores the same histogram through JSON', () => {
  fc.assert(
    fc.property(latencies, (values) => {
      const before = recorded(values);
      const after = LatencyHistogram.fromData(JSON.parse(JSON.stringify(before.toData())));
      assert.deepEqual(after.toData(), before.toData());
      assert.equal(after.percentile(99), before.percentile(99));
      assert.equal(after.mean, before.mean);
      assert.equal(after.count, before.count);
    }),
  );
});

test('data with a bucket that does not exist is refused', () => {
  const data = { buckets: [99_999, 1], sum: 1, min: 1, max: 1 };
  assert.throws(() => LatencyHistogram.fromData(data), RangeError);
});

test('small values are exact to the microsecond', () => {
  const histogram = recorded(Array.from({ length: 2000 }, (_, i) => i + 1));
  assert.equal(histogram.percentile(50), 1000);
  assert.equal(histogram.percentile(99), 1980);
  assert.equal(histogram.mean, 1000.5);
});

test('an empty histogram answers zeros, also after a reset and after merging into it', () => {
  const histogram = recorded([5, 7]);
  histogram.reset();
  assert.deepEqual(
    [histogram.count, histogram.mean, histogram.min, histogram.max, histogram.percentile(99)],
    [0, 0, 0, 0, 0],
  );
  histogram.merge(recorded([42]));
  assert.deepEqual([histogram.count, histogram.min, histogram.max, histogram.percentile(50)], [1, 42, 42, 42]);
});

test('samples out of range are counted at the nearest end', () => {
  const histogram = recorded([Number.NaN, -3, 1e12, Number.POSITIVE_INFINITY]);
  assert.equal(histogram.count, 4);
  assert.equal(histogram.min, 0);
  assert.equal(histogram.max, HOUR_US);
  assert.equal(histogram.percentile(50), 0);
  assert.ok(histogram.percentile(75) >= HOUR_US * 0.999);
});
