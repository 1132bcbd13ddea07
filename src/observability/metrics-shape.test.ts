import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricDefinitions, metricsReference, nvMetricDefinitions } from './metric-definitions.ts';
import { allStores, assertLines, loaded, page, setup, timing } from './testing/metrics-fixture.ts';

test('after 200 models further ones share the label other, counters, gauges and all, without losing a request', async () => {
  const names = Array.from({ length: 260 }, (_, i) => `m${i}`);
  const metrics = setup({ snapshot: () => names.map((name) => loaded(name)) });
  for (const name of names) metrics.telemetry.forModel(name, '1').request('rest', 'OK', 1);
  const lines = await page(metrics);
  const requests = lines.filter((line) => line.startsWith('hotpath_requests_total{'));
  assert.equal(requests.length, 201);
  assertLines(lines, [
    'hotpath_requests_total{model="m199",version="1",protocol="rest",code="OK"} 1',
    'hotpath_requests_total{model="other",version="other",protocol="rest",code="OK"} 60',
    'hotpath_queue_depth{model="other",version="other"} 360',
    'hotpath_slo_infeasible{model="other",version="other"} 1',
  ]);
  assert.equal(
    requests.reduce((total, line) => total + Number(line.split(' ')[1]), 0),
    260,
  );
});

test('after 16 versions of a model further ones share a label, and known ones keep theirs', async () => {
  const metrics = setup();
  const count = (version: number) => metrics.telemetry.forModel('m', `${version}`).request('rest', 'OK', 1);
  for (let version = 1; version <= 20; version++) count(version);
  count(3);
  assertLines(await page(metrics), [
    'hotpath_requests_total{model="m",version="3",protocol="rest",code="OK"} 2',
    'hotpath_requests_total{model="m",version="16",protocol="rest",code="OK"} 1',
    'hotpath_requests_total{model="m",version="other",protocol="rest",code="OK"} 4',
  ]);
});

test('no series appears twice and every family is in the table', async () => {
  const metrics = setup({ nv: true, snapshot: () => [loaded('a'), loaded('b')], stores: () => allStores });
  for (const name of ['a', 'b']) {
    const model = metrics.telemetry.forModel(name, '1');
    model.request('rest', 'OK', 1);
    model.request('oip-rest', 'INTERNAL', 1);
    model.stages(timing, 0, 0.1);
    model.batch(2, 1, 'solo', 1);
    model.cacheRows('memory', 1);
    model.cacheTier('redis', 'read', 'ok', 1);
  }
  const lines = (await page(metrics)).filter((line) => line !== '');
  const series = lines.filter((line) => !line.startsWith('#')).map((line) => line.slice(0, line.lastIndexOf(' ')));
  assert.equal(new Set(series).size, series.length);
  const names = lines.filter((line) => line.startsWith('# TYPE')).map((line) => line.split(' ')[2] as string);
  const defined = [...Object.keys(metricDefinitions).map((n) => `hotpath_${n}`), ...Object.keys(nvMetricDefinitions)];
  assert.deepEqual(
    names.filter((name) => !defined.includes(name)),
    [],
  );
  assert.deepEqual(
    defined.filter((name) => !names.includes(name) && name !== 'hotpath_model_load_seconds'),
    [],
  );
});

test('every label used is a label of the table', async () => {
  const metrics = setup({ nv: true, snapshot: () => [loaded('a')], stores: () => allStores });
  const model = metrics.telemetry.forModel('a', '1');
  model.cacheRows('memory', 1);
  model.cacheTier('redis', 'write', 'skipped', 0);
  model.request('rest', 'OK', 1);
  model.stages(timing, 0, 0.1);
  model.batch(2, 1, 'solo', 1);
  const table = { ...metricDefinitions, ...nvMetricDefinitions } as Record<string, { labels: readonly string[] }>;
  for (const family of await metrics.metricsAsJson()) {
    const allowed = table[family.name.replace(/^hotpath_/, '')]?.labels ?? [];
    for (const { labels } of family.samples) {
      const used = [...labels.matchAll(/(\w+)="/g)].map((match) => match[1] as string);
      assert.deepEqual(used, allowed.slice(0, used.length), family.name);
    }
  }
});

test('counters and buckets never fall from one scrape to the next', async () => {
  const metrics = setup();
  const model = metrics.telemetry.forModel('m', '1');
  const growing = /^(\S+(?:_total|_bucket|_sum|_count)(?:\{.*\})?) (.*)$/;
  let before = new Map<string, number>();
  for (let i = 0; i < 20; i++) {
    model.request('rest', i % 3 === 0 ? 'OVERLOADED' : 'OK', i);
    model.stages(timing, 0, i);
    model.batch(i + 1, 1, 'idle', i);
    const now = new Map<string, number>();
    for (const line of await page(metrics)) {
      const match = growing.exec(line);
      if (match !== null) now.set(match[1] as string, Number(match[2]));
    }
    for (const [series, value] of before) assert.ok((now.get(series) ?? -1) >= value, series);
    before = now;
  }
  assert.ok(before.size > 100);
});

test('the reference names every metric with its labels', () => {
  const text = metricsReference();
  for (const [name, { labels }] of Object.entries(metricDefinitions)) {
    const row = text.split('\n').find((line) => line.startsWith(`| \`hotpath_${name}\` |`));
    assert.ok(row?.includes(`| ${labels.join(', ') || '-'} |`), name);
  }
  for (const name of Object.keys(nvMetricDefinitions)) assert.ok(text.includes(`| \`${name}\` |`), name);
});
