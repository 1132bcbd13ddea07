import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { seededRandom } from '../../core/seeded-random.ts';
import { readTraffic, type TrafficFormat } from './read-traffic.ts';
import { arrivalsAt, recordedTraffic, syntheticTraffic } from './traffic.ts';

function refusal(text: string, format: TrafficFormat): string {
  try {
    readTraffic(text, format);
  } catch (error) {
    assert.ok(error instanceof HotpathError, String(error));
    assert.equal(error.code, 'INVALID_INPUT');
    return error.message;
  }
  return 'accepted';
}

describe('made-up traffic', () => {
  it('has the mean gap 1, is the same for the same seed, and burstier than independent users', () => {
    const { gaps } = syntheticTraffic(50_000, seededRandom(3));
    assert.deepEqual(gaps, syntheticTraffic(50_000, seededRandom(3)).gaps);
    assert.ok(gaps.every((gap) => gap >= 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    assert.ok(Math.abs(mean - 1) < 1e-9);
    // Poisson: the count of requests in a stretch of time varies as much as its mean. Bursts make it vary much more.
    const counts: number[] = [];
    let now = 0;
    for (const gap of gaps) {
      now += gap;
      const stretch = Math.floor(now / 50);
      counts[stretch] = (counts[stretch] ?? 0) + 1;
    }
    const filled = Array.from(counts, (count) => count ?? 0);
    const average = filled.reduce((sum, count) => sum + count, 0) / filled.length;
    const variance = filled.reduce((sum, count) => sum + (count - average) ** 2, 0) / filled.length;
    assert.ok(variance / average > 5, `${variance / average}`);
  });

  it('is played at any rate, from the start again when it is over', () => {
    const traffic = recordedTraffic([0, 10, 40], 'three');
    assert.deepEqual(traffic.gaps, [0.5, 1.5]);
    assert.equal(traffic.recordedRate, 50);
    assert.deepEqual(arrivalsAt(traffic, 100, 5), [5, 20, 25, 40, 45]);
  });
});

describe('recorded traffic', () => {
  it('is read from a CSV with dates of seven digits and a blank for the T', () => {
    const text =
      'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.6805900,396,109\n2023-11-16 18:15:51.6805900,1,1\n';
    const { gaps, recordedRate, title } = readTraffic(text, 'csv');
    assert.deepEqual(gaps, [1.6, 0.4]);
    assert.equal(recordedRate, 0.4);
    assert.equal(title, '3 recorded requests (TIMESTAMP: dates)');
  });

  it('is read from JSON lines with whole milliseconds', () => {
    const { gaps, recordedRate, title } = readTraffic(
      '{"timestamp": 0, "input_length": 1}\n\n{"timestamp": 3000}\n{"timestamp": 4000}\r\n',
      'jsonl',
    );
    assert.deepEqual(gaps, [1.5, 0.5]);
    assert.equal(recordedRate, 0.5);
    assert.equal(title, '3 recorded requests (timestamp: milliseconds)');
  });

  it('finds the unit from the size of the numbers', () => {
    const unitOf = (values: readonly (number | string)[]) =>
      /: (\w+)\)/.exec(readTraffic(`time\n${values.join('\n')}\n`, 'csv').title)![1];
    assert.equal(unitOf([0.5, 1.25]), 'seconds');
    assert.equal(unitOf([500, 1250]), 'milliseconds');
    assert.equal(unitOf([1_700_000_000, 1_700_000_001]), 'seconds');
    assert.equal(unitOf([1_700_000_000_000, 1_700_000_000_001]), 'milliseconds');
    assert.equal(unitOf(['1700000000000000', '1700000000000001']), 'microseconds');
    assert.equal(unitOf(['1700000000000000000', '1700000000000001000']), 'nanoseconds');
    assert.equal(unitOf(['2026-01-31T12:00:00Z', '2026-01-31T13:00:00+02:00']), 'dates');
  });

  it('needs no order', () => {
    assert.deepEqual(readTraffic('ts\n40\n0\n10\n', 'csv').gaps, [0.5, 1.5]);
  });

  it('says what is wrong with the file', () => {
    assert.match(refusal('', 'jsonl'), /it is empty/);
    assert.match(refusal('{"timestamp": 1}\n{"timestamp": 1}', 'jsonl'), /at least two requests at different times/);
    assert.match(refusal('{"timestamp": 1}', 'jsonl'), /timestamp has 1/);
    assert.match(refusal('{"when": 1}', 'jsonl'), /line 1 has no field of times \(timestamp, time, .*\), only when/);
    assert.match(refusal('{"timestamp": 1}\n{"timestamp": 1e999}', 'jsonl'), /line 2 needs a number/);
    assert.match(refusal('{"timestamp": 1}\n[2]', 'jsonl'), /line 2 is no JSON object/);
    assert.match(refusal('{"timestamp": 1}\n{"time', 'jsonl'), /line 2 is not valid JSON/);
    assert.match(refusal('{"timestamp": 1}\n{"x": 1}', 'jsonl'), /line 2 needs a number or a time as timestamp/);
    assert.match(refusal('a,b\n1,2\n', 'csv'), /the header has no column of times .*, only a, b/);
    assert.match(refusal('timestamp,b\n1,2\n,3\n', 'csv'), /line 3 needs a number or a time as timestamp/);
    assert.match(refusal('timestamp\n1\nyesterday\n', 'csv'), /request 1 is neither a number nor a time/);
    assert.match(refusal('timestamp\n1\n2,3\n', 'csv'), /line 3/i);
  });

  it('keeps the gaps of any times, in seconds or in milliseconds', () => {
    const times = fc.array(fc.integer({ min: 0, max: 86_400_000 }), { minLength: 2, maxLength: 50 });
    fc.assert(
      fc.property(times, (list) => {
        fc.pre(new Set(list).size > 1);
        const expected = recordedTraffic(list, '');
        const jsonl = readTraffic(list.map((ms) => JSON.stringify({ time: ms })).join('\n'), 'jsonl');
        assert.deepEqual(jsonl.gaps, expected.gaps);
        const dates = list.map((ms) => new Date(ms).toISOString());
        assert.deepEqual(
          readTraffic(`x,Timestamp\n${dates.map((date) => `1,${date}`).join('\n')}`, 'csv').gaps,
          expected.gaps,
        );
      }),
    );
  });

  it('refuses or reads any text, and never throws anything else', () => {
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc.constantFrom('timestamp', '{"timestamp": 1}', '1', '1e999', '{"timestamp": null}', 'NaN', '2026-13-45 99:99'),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.constantFrom('csv', 'jsonl'), (lines, format) => {
        const text = lines.join('\n');
        const said = refusal(text, format as TrafficFormat);
        if (said !== 'accepted') return;
        const { gaps } = readTraffic(text, format as TrafficFormat);
        assert.ok(gaps.length > 0 && gaps.every((gap) => gap >= 0 && Number.isFinite(gap)), text);
      }),
      { numRuns: 500 },
    );
  });
});
