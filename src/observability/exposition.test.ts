import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MergeRule, type MetricFamily, mergeFamilies, render, renderLabels } from './exposition.ts';

const gauge = (merge: MergeRule, labels: string, value: number): MetricFamily => ({
  type: 'gauge',
  name: 'g',
  help: 'A gauge.',
  merge,
  samples: [{ labels, value }],
});

const histogram = (counts: readonly number[], sum: number): MetricFamily => ({
  type: 'histogram',
  name: 'h_seconds',
  help: 'A histogram.',
  bounds: [0.5, 1],
  samples: [{ labels: 'model="m"', counts, sum }],
});

test('a gauge and a histogram render as the text format says', async () => {
  assert.equal(
    await render([gauge('sum', '', 1.5), histogram([2, 1, 1], 4.25)]),
    `# HELP g A gauge.
# TYPE g gauge
g 1.5
# HELP h_seconds A histogram.
# TYPE h_seconds histogram
h_seconds_bucket{model="m",le="0.5"} 2
h_seconds_bucket{model="m",le="1"} 3
h_seconds_bucket{model="m",le="+Inf"} 4
h_seconds_sum{model="m"} 4.25
h_seconds_count{model="m"} 4
`,
  );
});

test('label values are escaped and empty ones left out', () => {
  assert.equal(renderLabels({ a: 'say "hi"\\\n', b: '', c: '1' }), 'a="say \\"hi\\"\\\\\\n",c="1"');
});

test('values that are not finite are left out', async () => {
  assert.equal(await render([gauge('sum', '', Number.NaN)]), '# HELP g A gauge.\n# TYPE g gauge\n');
});

test('gauges of several processes merge by their rule', () => {
  const merged = (rule: MergeRule): number => {
    const [family] = mergeFamilies([[gauge(rule, '', 3)], [gauge(rule, '', 1)], [gauge(rule, '', 8)]]);
    return family?.type === 'gauge' ? (family.samples[0]?.value ?? Number.NaN) : Number.NaN;
  };
  assert.equal(merged('sum'), 12);
  assert.equal(merged('average'), 4);
  assert.equal(merged('max'), 8);
  assert.equal(merged('min'), 1);
  assert.equal(merged('first'), 3);
});

test('label sets and families that only one process knows survive the merge', async () => {
  const merged = mergeFamilies([[gauge('sum', 'a="1"', 3)], [gauge('sum', 'a="2"', 4), histogram([1, 0, 0], 0.1)]]);
  assert.equal(await render(merged.slice(0, 1)), '# HELP g A gauge.\n# TYPE g gauge\ng{a="1"} 3\ng{a="2"} 4\n');
  assert.deepEqual(merged[1], histogram([1, 0, 0], 0.1));
});

test('histograms of several processes add up bucket by bucket', () => {
  assert.deepEqual(mergeFamilies([[histogram([1, 2, 3], 4)], [histogram([10, 20, 30], 40)]]), [
    histogram([11, 22, 33], 44),
  ]);
});

test('a page longer than one turn of the event loop is whole and in order', async () => {
  const samples = Array.from({ length: 12_345 }, (_, i) => ({ labels: `n="${i}"`, value: i }));
  const lines = (await render([{ type: 'counter', name: 'c', help: 'Many.', merge: 'sum', samples }])).split('\n');
  assert.deepEqual(
    lines.slice(2, -1),
    samples.map(({ labels, value }) => `c{${labels}} ${value}`),
  );
});
